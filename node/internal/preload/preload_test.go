package preload

import "testing"

func TestSplit(t *testing.T) {
	for image, want := range map[string][3]string{
		"busybox":                              {"busybox", "latest", "docker.io"},
		"busybox:1":                            {"busybox", "1", "docker.io"},
		"library/busybox":                      {"library/busybox", "latest", "docker.io"},
		"r.example.com:5000/a/b":               {"r.example.com:5000/a/b", "latest", "r.example.com:5000"},
		"r.example.com:5000/a/b:2":             {"r.example.com:5000/a/b", "2", "r.example.com:5000"},
		"localhost/a":                          {"localhost/a", "latest", "localhost"},
		"a@sha256:0123":                        {"a", "sha256:0123", "docker.io"},
		"r.example.com/a:1@sha256:0123":        {"r.example.com/a", "sha256:0123", "r.example.com"},
		"index.docker.io/library/busybox:1.36": {"index.docker.io/library/busybox", "1.36", "docker.io"},
	} {
		name, tag := split(image)
		if got := [3]string{name, tag, registryOf(image)}; got != want {
			t.Errorf("%s: %v", image, got)
		}
	}
}

func TestKinds(t *testing.T) {
	for said, want := range map[string]string{
		"Get \"https://r/v2/\": x509: certificate signed by unknown authority": "UntrustedCertificate",
		"http: server gave HTTP response to HTTPS client":                      "NoTls",
		"dial tcp 10.0.0.1:443: connect: connection refused":                   "Unreachable",
		"pull access denied for x, repository does not exist":                  "Denied",
		"manifest unknown":                                  "NotFound",
		"write /x: no space left on device":                 "DiskFull",
		"TOOMANYREQUESTS: you have reached your pull limit": "RateLimited",
		"something else":                                    "Failed",
	} {
		if got := kindOf(said); got != want {
			t.Errorf("%s: %s", said, got)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("r.example.com:5000/a/b:2@sha256:0")
	f.Fuzz(func(t *testing.T, image string) {
		split(image)
		registryOf(image)
	})
}
