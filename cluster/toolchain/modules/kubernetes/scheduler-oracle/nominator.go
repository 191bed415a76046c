package main

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// nominator knows for which nodes pods are nominated. It stands in for the scheduler's queue, in which they would wait.
type nominator map[string][]fwk.PodInfo

func (known nominator) add(pod *v1.Pod) error {
	info, err := framework.NewPodInfo(pod)
	if at := pod.Status.NominatedNodeName; at != "" {
		known[at] = append(known[at], info)
	}
	return err
}

// NominatedPodsForNode is what filters ask.
func (known nominator) NominatedPodsForNode(node string) []fwk.PodInfo { return known[node] }

// AddNominatedPod and the others below change nothing: a case stays as it is.
func (known nominator) AddNominatedPod(klog.Logger, fwk.PodInfo, *framework.NominatingInfo) {}

// DeleteNominatedPodIfExists changes nothing.
func (known nominator) DeleteNominatedPodIfExists(*v1.Pod) {}

// UpdateNominatedPod changes nothing.
func (known nominator) UpdateNominatedPod(klog.Logger, *v1.Pod, fwk.PodInfo) {}
