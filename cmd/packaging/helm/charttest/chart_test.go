package charttest

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

const chartDir = "../kvclef"

var update = flag.Bool("update", false, "write what is rendered to testdata")

func values(t *testing.T, name string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := yaml.UnmarshalStrict(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// render returns the documents of a release in the order of their files.
func render(given map[string]any) (string, error) {
	chart, err := loader.Load(chartDir)
	if err != nil {
		return "", err
	}
	options := common.ReleaseOptions{Name: "kvclef", Namespace: "signing", Revision: 1, IsInstall: true}
	merged, err := util.ToRenderValues(chart, given, options, common.DefaultCapabilities)
	if err != nil {
		return "", err
	}
	files, err := engine.Render(chart, merged)
	if err != nil {
		return "", err
	}
	var names []string
	for name, text := range files {
		if strings.TrimSpace(text) != "" && strings.HasSuffix(name, ".yaml") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "---\n# Source: %s\n%s\n", name, strings.TrimSpace(files[name]))
	}
	return b.String(), nil
}

// TestGolden renders what is checked in.
func TestGolden(t *testing.T) {
	for _, name := range []string{"single", "replicas"} {
		t.Run(name, func(t *testing.T) {
			got, err := render(values(t, name))
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".golden.yaml")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("it renders something else than %s: look at it with go test -update and git diff", golden)
			}
		})
	}
}

// TestLint has nothing to say.
func TestLint(t *testing.T) {
	for _, name := range []string{"single", "replicas"} {
		result := lint.RunAll(chartDir, values(t, name), "signing")
		for _, message := range result.Messages {
			if message.Severity > support.InfoSev {
				t.Errorf("%s: %v", name, message)
			}
		}
	}
}

// serviceMonitor is the part of Prometheus' operator's type that is used.
type serviceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// decode reads each document into its type of Kubernetes; an unknown field is an error.
func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	objects := map[string]any{}
	for document := range bytes.SplitSeq([]byte(text), []byte("\n---\n")) {
		var kind metav1.PartialObjectMetadata
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatal(err)
		}
		if kind.Kind == "" {
			t.Fatalf("no kind in:\n%s", document)
		}
		object := map[string]any{
			"v1/ConfigMap": &corev1.ConfigMap{}, "v1/Service": &corev1.Service{}, "v1/ServiceAccount": &corev1.ServiceAccount{},
			"apps/v1/StatefulSet": &appsv1.StatefulSet{}, "policy/v1/PodDisruptionBudget": &policyv1.PodDisruptionBudget{},
			"networking.k8s.io/v1/NetworkPolicy": &networkingv1.NetworkPolicy{}, "monitoring.coreos.com/v1/ServiceMonitor": &serviceMonitor{},
		}[kind.APIVersion+"/"+kind.Kind]
		if object == nil {
			t.Fatalf("%s %s: which type is that?", kind.APIVersion, kind.Kind)
		}
		if err := yaml.UnmarshalStrict(document, object); err != nil {
			t.Errorf("%s %s: %v", kind.Kind, kind.Name, err)
		}
		objects[kind.Kind+"/"+kind.Name] = object
	}
	return objects
}

// TestObjects exist as Kubernetes knows them, fit together, and ask for no more
// than the restricted standard of pod security permits.
func TestObjects(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, count := range map[string]int{"single": 7, "replicas": 8} {
		t.Run(name, func(t *testing.T) {
			text, err := render(values(t, name))
			if err != nil {
				t.Fatal(err)
			}
			objects := decode(t, text)
			if len(objects) != count {
				t.Errorf("%d objects, want %d", len(objects), count)
			}
			set, _ := objects["StatefulSet/kvclef"].(*appsv1.StatefulSet)
			if set == nil {
				t.Fatal("there is no StatefulSet")
			}
			pod := set.Spec.Template
			restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
			result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
			if !result.Allowed {
				t.Errorf("%s: %s", result.ForbiddenReason(), result.ForbiddenDetail())
			}
			for _, container := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
				if s := container.SecurityContext; s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
					t.Errorf("%s writes to its root", container.Name)
				}
				mounts(t, pod.Spec, set.Spec.VolumeClaimTemplates, container)
			}
			if _, ok := objects["ServiceAccount/"+pod.Spec.ServiceAccountName]; !ok || pod.Labels["azure.workload.identity/use"] != "true" {
				t.Errorf("the identity: %s, %v", pod.Spec.ServiceAccountName, pod.Labels)
			}
			for kind, selector := range selectors(objects) {
				for key, value := range selector {
					if pod.Labels[key] != value {
						t.Errorf("%s selects other pods: %s", kind, key)
					}
				}
			}
		})
	}
}

// mounts are of volumes that the pod has.
func mounts(t *testing.T, pod corev1.PodSpec, claims []corev1.PersistentVolumeClaim, container corev1.Container) {
	t.Helper()
	known := map[string]bool{}
	for _, volume := range pod.Volumes {
		known[volume.Name] = true
	}
	for _, claim := range claims {
		known[claim.Name] = true
	}
	for _, mount := range container.VolumeMounts {
		if !known[mount.Name] {
			t.Errorf("%s mounts %s, which is no volume", container.Name, mount.Name)
		}
	}
}

func selectors(objects map[string]any) map[string]map[string]string {
	found := map[string]map[string]string{}
	for name, object := range objects {
		switch o := object.(type) {
		case *corev1.Service:
			found[name] = o.Spec.Selector
		case *appsv1.StatefulSet:
			found[name] = o.Spec.Selector.MatchLabels
		case *policyv1.PodDisruptionBudget:
			found[name] = o.Spec.Selector.MatchLabels
		case *networkingv1.NetworkPolicy:
			found[name] = o.Spec.PodSelector.MatchLabels
		}
	}
	return found
}

// TestWayToTheDatabase is open to those that have one, and to them alone.
func TestWayToTheDatabase(t *testing.T) {
	single, replicas := values(t, "single"), values(t, "replicas")
	anywhere := values(t, "replicas")
	anywhere["networkPolicy"] = map[string]any{}
	for name, c := range map[string]struct {
		given map[string]any
		port  int32 // 0: none
		to    string
	}{
		"no database": {single, 0, ""}, "known": {replicas, 5433, "10.1.2.0/28"}, "anywhere": {anywhere, 5432, ""},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := render(c.given)
			if err != nil {
				t.Fatal(err)
			}
			found, _ := decode(t, text)["NetworkPolicy/kvclef"].(*networkingv1.NetworkPolicy)
			if found == nil {
				t.Fatal("there is no NetworkPolicy")
			}
			var port int32
			var to string
			for _, rule := range found.Spec.Egress {
				for _, p := range rule.Ports {
					if p.Port.IntVal == 53 || p.Port.IntVal == 443 {
						continue
					}
					port = p.Port.IntVal
					for _, peer := range rule.To {
						to = peer.IPBlock.CIDR
					}
				}
			}
			if port != c.port || to != c.to {
				t.Errorf("port %d of %q, want %d of %q", port, to, c.port, c.to)
			}
		})
	}
}

// TestRefused is what would sign wrongly, or not at all.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change map[string]any
		want   string
	}{
		"no image":                {map[string]any{"image": map[string]any{"repository": ""}}, "image.repository"},
		"no chain":                {map[string]any{"config": map[string]any{"vaults": []any{"v"}}}, "config.chainids"},
		"no vault":                {map[string]any{"config": map[string]any{"chainids": []any{1}}}, "config.vaults"},
		"no certificate":          {map[string]any{"tls": map[string]any{"secret": ""}}, "tls.secret"},
		"no identity":             {map[string]any{"workloadIdentity": map[string]any{"clientId": ""}}, "workloadIdentity.clientId"},
		"a log that is lost":      {map[string]any{"persistence": map[string]any{"enabled": false}}, "persistence.enabled: false is refused"},
		"limits of each its own":  {map[string]any{"replicas": 2}, "need a shared store"},
		"limits, number in words": {map[string]any{"replicas": "2"}, "need a shared store"},
	} {
		t.Run(name, func(t *testing.T) {
			given := values(t, "single")
			for key, value := range c.change {
				given[key] = value
			}
			if _, err := render(given); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}
