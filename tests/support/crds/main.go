// Reads manifests of the Prometheus operator, and refuses what its own types do not know.
package main

import (
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	kinds := map[string]any{
		"ServiceMonitor": &monitoring.ServiceMonitor{},
		"PrometheusRule": &monitoring.PrometheusRule{},
	}
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = yaml.UnmarshalStrict(text, kinds[os.Args[1]])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
