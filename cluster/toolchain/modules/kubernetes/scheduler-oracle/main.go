// Command scheduler-oracle says what kube-scheduler's own plugins make of a pod: which nodes each of them turns down,
// how each scores the others, and who would have to leave. It reads one case a line on stdin, JSON, and answers with
// one line each on stdout. Nothing is decided here: upstream's framework is fed and asked.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

// longest is how long a line may be.
const longest = 64 << 20

func main() {
	klog.SetLogger(klog.TODO().V(0))
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	metrics.Register()
	if err := answerAll(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "scheduler-oracle:", err)
		os.Exit(1)
	}
}

func answerAll(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, 1<<20), longest)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		verdict, err := answer(lines.Bytes())
		if err != nil {
			verdict = &Verdict{Error: err.Error(), Nodes: map[string]*Node{}}
		}
		if err := encoder.Encode(verdict); err != nil {
			return err
		}
	}
	return lines.Err()
}

func answer(line []byte) (*Verdict, error) {
	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(), klog.Logger{}))
	defer cancel()
	world, err := build(ctx, line)
	if err != nil {
		return nil, err
	}
	return world.judge(ctx)
}
