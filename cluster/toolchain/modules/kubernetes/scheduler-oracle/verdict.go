package main

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// Rejection is why a plugin turns a node down; Final if no preemption could help.
type Rejection struct {
	Reasons []string `json:"reasons"`
	Final   bool     `json:"final"`
}

// Node is what is said of one node. By is the plugin whose no counts, which is the first; Rejections has them all.
// Raw and Scores, by plugin, are there if the node is feasible: before it is normalised, and after, times its weight.
type Node struct {
	By         string               `json:"by"`
	Rejections map[string]Rejection `json:"rejections"`
	Raw        map[string]int64     `json:"raw"`
	Scores     map[string]int64     `json:"scores"`
	Total      int64                `json:"total"`
}

// Candidate is a node that would do if these pods left, the most important first.
type Candidate struct {
	Victims    []string `json:"victims"`
	Violations int64    `json:"violations"`
}

// Verdict is all that is said of a case. PreFilter is set if the pod was refused before any node was looked at; Names
// are the only nodes that were, if not all. Message is there if no node will do, and so is what preemption would do.
type Verdict struct {
	Error      string               `json:"error,omitempty"`
	PreFilter  string               `json:"preFilter"`
	Names      []string             `json:"names"`
	Nodes      map[string]*Node     `json:"nodes"`
	Message    string               `json:"message"`
	Candidates map[string]Candidate `json:"candidates"`
	Chosen     string               `json:"chosen"`
}

func (world *World) judge(ctx context.Context) (*Verdict, error) {
	all, err := world.snapshot.NodeInfos().List()
	if err != nil {
		return nil, err
	}
	said := &Verdict{Nodes: map[string]*Node{}}
	state := framework.NewCycleState()
	statuses := framework.NewDefaultNodeToStatus()
	result, status, by := world.framework.RunPreFilterPlugins(ctx, state, world.pod)
	if status.Code() == fwk.Error {
		return nil, status.AsError()
	}
	var feasible []fwk.NodeInfo
	if status.IsSuccess() {
		if feasible, err = world.filter(ctx, state, said, statuses, result, sets.List(by), all); err != nil {
			return nil, err
		}
	} else {
		said.PreFilter = status.Plugin()
		statuses.SetAbsentNodesStatus(status)
	}
	if len(feasible) > 0 {
		err = world.score(ctx, state, said, feasible)
	} else {
		err = world.refuse(ctx, state, said, statuses, status, len(all))
	}
	// Last, since being asked leaves traces in the state of some plugins.
	for _, each := range all {
		if node, is := said.Nodes[each.Node().Name]; is {
			world.ask(ctx, state, node, each)
		}
	}
	return said, err
}

// filter asks all plugins about the nodes that are left after PreFilter; those that pass are feasible.
func (world *World) filter(ctx context.Context, state fwk.CycleState, said *Verdict, statuses *framework.NodeToStatus,
	result *framework.PreFilterResult, by []string, all []fwk.NodeInfo) ([]fwk.NodeInfo, error) {
	nodes := all
	if !result.AllNodes() {
		said.Names, nodes = sets.List(result.NodeNames), nil
		for _, each := range all {
			if result.NodeNames.Has(each.Node().Name) {
				nodes = append(nodes, each)
			}
		}
		reason := fmt.Sprintf("node(s) didn't satisfy plugin(s) %v", by)
		statuses.SetAbsentNodesStatus(fwk.NewStatus(fwk.UnschedulableAndUnresolvable, reason))
	}
	var feasible []fwk.NodeInfo
	for _, each := range nodes {
		node := &Node{Rejections: map[string]Rejection{}, Raw: map[string]int64{}, Scores: map[string]int64{}}
		said.Nodes[each.Node().Name] = node
		status := world.framework.RunFilterPluginsWithNominatedPods(ctx, state, world.pod, each)
		if status.Code() == fwk.Error {
			return nil, status.AsError()
		}
		if status.IsSuccess() {
			feasible = append(feasible, each)
		} else {
			node.By = status.Plugin()
			statuses.Set(each.Node().Name, status)
		}
	}
	return feasible, nil
}

// ask hears every plugin about a node, also those that would not be asked any more.
func (world *World) ask(ctx context.Context, state fwk.CycleState, node *Node, info fwk.NodeInfo) {
	for name, plugin := range world.plugins {
		filter, is := plugin.(framework.FilterPlugin)
		if !is || state.GetSkipFilterPlugins().Has(name) {
			continue
		}
		if status := filter.Filter(ctx, state, world.pod, info); !status.IsSuccess() {
			final := status.Code() == fwk.UnschedulableAndUnresolvable
			node.Rejections[name] = Rejection{Reasons: status.Reasons(), Final: final}
		}
	}
}

// score lets the plugins score the feasible nodes, one node too, which upstream would spare itself.
func (world *World) score(ctx context.Context, state fwk.CycleState, said *Verdict, feasible []fwk.NodeInfo) error {
	if status := world.framework.RunPreScorePlugins(ctx, state, world.pod, feasible); !status.IsSuccess() {
		return status.AsError()
	}
	scores, status := world.framework.RunScorePlugins(ctx, state, world.pod, feasible)
	if !status.IsSuccess() {
		return status.AsError()
	}
	for number, each := range feasible {
		node := said.Nodes[each.Node().Name]
		node.Total = scores[number].TotalScore
		for _, one := range scores[number].Scores {
			node.Scores[one.Name] = one.Score
			raw, status := world.plugins[one.Name].(framework.ScorePlugin).Score(ctx, state, world.pod, each)
			if !status.IsSuccess() {
				return status.AsError()
			}
			node.Raw[one.Name] = raw
		}
	}
	return nil
}

// refuse tells what a user would read, and what preemption would do if every node that may help is tried.
func (world *World) refuse(ctx context.Context, state fwk.CycleState, said *Verdict, statuses *framework.NodeToStatus,
	status *fwk.Status, count int) error {
	fit := &framework.FitError{Pod: world.pod, NumAllNodes: count, Diagnosis: framework.Diagnosis{NodeToStatus: statuses}}
	if !status.IsSuccess() {
		fit.Diagnosis.PreFilterMsg = status.Message()
	}
	if count == 0 {
		said.Message = "no nodes available to schedule pods"
		return nil
	}
	candidates, err := world.preempt(ctx, state, said, statuses)
	if err == nil && candidates == 0 {
		_, after := world.framework.RunPostFilterPlugins(ctx, state, world.pod, statuses)
		fit.Diagnosis.PostFilterMsg = after.Message()
	}
	said.Message = fit.Error()
	return err
}

func (world *World) preempt(ctx context.Context, state fwk.CycleState, said *Verdict, statuses *framework.NodeToStatus) (int, error) {
	plugin := world.plugins[names.DefaultPreemption].(*defaultpreemption.DefaultPreemption)
	at := statuses.Get(world.pod.Status.NominatedNodeName)
	if may, _ := plugin.PodEligibleToPreemptOthers(ctx, world.pod, at); !may {
		return 0, nil
	}
	potential, err := statuses.NodesForStatusCode(world.snapshot.NodeInfos(), fwk.Unschedulable)
	if err != nil || len(potential) == 0 {
		return 0, err
	}
	budgets, err := world.framework.ClientSet().PolicyV1().PodDisruptionBudgets("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, err
	}
	found, _, err := plugin.Evaluator.DryRunPreemption(ctx, state, world.pod, potential, pointers(budgets.Items), 0,
		int32(len(potential)))
	if err != nil || len(found) == 0 {
		return 0, err
	}
	said.Candidates = map[string]Candidate{}
	for _, each := range found {
		said.Candidates[each.Name()] = Candidate{Victims: namesOf(each.Victims().Pods), Violations: each.Victims().NumPDBViolations}
	}
	said.Chosen = plugin.Evaluator.SelectCandidate(ctx, found).Name()
	return len(found), nil
}

func pointers(budgets []policy.PodDisruptionBudget) []*policy.PodDisruptionBudget {
	found := make([]*policy.PodDisruptionBudget, len(budgets))
	for number := range budgets {
		found[number] = &budgets[number]
	}
	return found
}

func namesOf(pods []*v1.Pod) []string {
	found := make([]string, len(pods))
	for number, pod := range pods {
		found[number] = pod.Name
	}
	return found
}
