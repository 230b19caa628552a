// Command policyengine enforces NetworkPolicies for the node it runs on: the engine of kube-network-policies, which judges the
// packets that netfilter hands it in a queue.
//
// The published program takes its API server from the service account of a pod; this one takes a kubeconfig. It writes nftables
// rules with a queue statement, which need a kernel with CONFIG_NFT_QUEUE and fail without harm elsewhere. So its caller writes
// rules with iptables, too: its queue target is in more kernels.
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"

	"github.com/containerd/nri/pkg/api"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "file that leads to the API server")
	node := flag.String("node", "", "name of the node whose pods are guarded")
	queue := flag.Int("queue", 100, "number of netfilter's queue")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *kubeconfig, *node, *queue); err != nil {
		klog.Fatal(err)
	}
}

func run(ctx context.Context, kubeconfig, node string, queue int) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	// Pods are known from the API server, not from a hook into a container runtime: there may be one that is not this node's. With
	// NRIdisabled the engine asks the hook all the same, and panics; with a socket that is none it goes on without.
	if err := os.Setenv(api.PluginSocketEnvVar, "none"); err != nil {
		return err
	}
	shared := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(
		client,
		shared.Networking().V1().NetworkPolicies(),
		shared.Core().V1().Namespaces(),
		shared.Core().V1().Pods(),
		nil, nil, nil, nil,
		// An engine that dies must not take the cluster with it: its own rules let through then what nobody takes from the queue.
		networkpolicy.Config{NodeName: node, QueueID: queue, FailOpen: true},
	)
	if err != nil {
		return err
	}
	shared.Start(ctx.Done())
	return controller.Run(ctx)
}
