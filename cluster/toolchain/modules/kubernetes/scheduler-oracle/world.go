package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	kubescheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/dynamic-resource-allocation/resourceslice/tracker"
	"k8s.io/klog/v2"
	configv1 "k8s.io/kube-scheduler/config/v1"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	configscheme "k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"
)

// Case is one question: objects of any kind, each with apiVersion and kind, and the pod that wants a node.
// PluginConfig, if given, are arguments of plugins as in a KubeSchedulerConfiguration.
type Case struct {
	Objects      []json.RawMessage       `json:"objects"`
	Pod          *v1.Pod                 `json:"pod"`
	PluginConfig []configv1.PluginConfig `json:"pluginConfig,omitempty"`
}

// World is a case as upstream's scheduler sees it.
type World struct {
	pod       *v1.Pod
	snapshot  *cache.Snapshot
	framework framework.Framework
	plugins   map[string]framework.Plugin
}

func build(ctx context.Context, line []byte) (*World, error) {
	var asked Case
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	if asked.Pod == nil {
		return nil, fmt.Errorf("a case needs a pod")
	}
	objects, nodes, pods, err := decode(asked.Objects)
	if err != nil {
		return nil, err
	}
	profile, err := profileOf(asked.PluginConfig)
	if err != nil {
		return nil, err
	}
	client := fake.NewSimpleClientset(append(objects, asked.Pod)...)
	factory := informers.NewSharedInformerFactory(client, 0)
	var placed []*v1.Pod
	nominees := nominator{}
	for _, pod := range pods {
		if pod.Spec.NodeName != "" {
			placed = append(placed, pod)
		} else if err := nominees.add(pod); err != nil {
			return nil, err
		}
	}
	snapshot, err := snapshotOf(ctx, placed, nodes)
	if err != nil {
		return nil, err
	}
	world := &World{pod: asked.Pod, snapshot: snapshot, plugins: map[string]framework.Plugin{}}
	if err := world.start(ctx, client, factory, profile); err != nil {
		return nil, err
	}
	world.framework.SetPodNominator(nominees)
	return world, nil
}

// decode gives all objects, and again those that are nodes and pods.
func decode(raw []json.RawMessage) ([]runtime.Object, []*v1.Node, []*v1.Pod, error) {
	var objects []runtime.Object
	var nodes []*v1.Node
	var pods []*v1.Pod
	for _, each := range raw {
		object, _, err := kubescheme.Codecs.UniversalDeserializer().Decode(each, nil, nil)
		if err != nil {
			return nil, nil, nil, err
		}
		objects = append(objects, object)
		switch one := object.(type) {
		case *v1.Node:
			nodes = append(nodes, one)
		case *v1.Pod:
			pods = append(pods, one)
		}
	}
	return objects, nodes, pods, nil
}

// snapshotOf goes through the scheduler's own cache, which knows more than a snapshot made for tests.
func snapshotOf(ctx context.Context, placed []*v1.Pod, nodes []*v1.Node) (*cache.Snapshot, error) {
	logger := klog.FromContext(ctx)
	held := cache.New(ctx, 0, nil)
	for _, node := range nodes {
		held.AddNode(logger, node)
	}
	for _, pod := range placed {
		if err := held.AddPod(logger, pod); err != nil {
			return nil, err
		}
	}
	snapshot := cache.NewEmptySnapshot()
	return snapshot, held.UpdateSnapshot(logger, snapshot)
}

// profileOf is the default profile with these arguments of plugins.
func profileOf(arguments []configv1.PluginConfig) (*config.KubeSchedulerProfile, error) {
	name := v1.DefaultSchedulerName
	given := configv1.KubeSchedulerConfiguration{
		Profiles: []configv1.KubeSchedulerProfile{{SchedulerName: &name, PluginConfig: arguments}},
	}
	given.APIVersion, given.Kind = configv1.SchemeGroupVersion.String(), "KubeSchedulerConfiguration"
	data, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	object, _, err := configscheme.Codecs.UniversalDecoder().Decode(data, nil, nil)
	if err != nil {
		return nil, err
	}
	return &object.(*config.KubeSchedulerConfiguration).Profiles[0], nil
}

// start makes the framework, keeps its plugins at hand, and waits until they know all objects.
func (world *World) start(ctx context.Context, client clientset.Interface, factory informers.SharedInformerFactory,
	profile *config.KubeSchedulerProfile) error {
	claims := assumecache.NewAssumeCache(klog.FromContext(ctx), factory.Resource().V1().ResourceClaims().Informer(),
		"ResourceClaim", "", nil)
	slices, err := tracker.StartTracker(ctx, tracker.Options{
		SliceInformer: factory.Resource().V1().ResourceSlices(), KubeClient: client})
	if err != nil {
		return err
	}
	world.framework, err = frameworkruntime.NewFramework(ctx, world.registry(), profile,
		frameworkruntime.WithClientSet(client),
		frameworkruntime.WithInformerFactory(factory),
		frameworkruntime.WithEventRecorder(&events.FakeRecorder{}),
		frameworkruntime.WithSnapshotSharedLister(world.snapshot),
		frameworkruntime.WithSharedDRAManager(dynamicresources.NewDRAManager(ctx, claims, slices, factory)),
	)
	if err != nil {
		return err
	}
	factory.Core().V1().Pods().Informer()
	factory.Start(ctx.Done())
	return untilSynced(factory)
}

// registry is upstream's, but remembers what it makes.
func (world *World) registry() frameworkruntime.Registry {
	remembering := frameworkruntime.Registry{}
	for name, build := range plugins.NewInTreeRegistry() {
		remembering[name] = func(ctx context.Context, args runtime.Object, handle framework.Handle) (framework.Plugin, error) {
			made, err := build(ctx, args, handle)
			world.plugins[name] = made
			return made, err
		}
	}
	return remembering
}

// untilSynced waits as the factory would, but looks more often.
func untilSynced(factory informers.SharedInformerFactory) error {
	over := make(chan struct{})
	close(over)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		all := true
		for _, synced := range factory.WaitForCacheSync(over) {
			all = all && synced
		}
		if all {
			// Caches on top of the informers are filled by handlers, a moment later.
			time.Sleep(time.Millisecond)
			return nil
		}
	}
	return fmt.Errorf("the caches were not filled within 10 s")
}
