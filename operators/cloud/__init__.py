"""What the controllers need of whatever the cluster runs on: a cloud, or machines of one's own.

Two interfaces, both pure: `loadbalancers.LoadBalancers` for service-lb-controller, `instances.Instances` for
cloud-node-lifecycle-controller. The built-in provider for kind and bare machines is `servicelb.pools` (addresses of
AddressPools) and `machines` (what a Node's annotation says). Answers to the interfaces of k8s.io/cloud-provider
(cloud.go); routes between nodes are the node agent's.
"""
