// SPDX-License-Identifier: GPL-2.0-or-later
/* The endpoints of well-known services, as they document them. */
#include "policy/policy.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

const struct policy_group policy_groups[] = {
    {"openai", "OpenAI's API", "https://platform.openai.com/docs/api-reference",
     LIST("api.openai.com")},
    {"anthropic", "Anthropic's API", "https://docs.anthropic.com/en/api",
     LIST("api.anthropic.com")},
    {"google-ai", "Google's Gemini API", "https://ai.google.dev/api",
     LIST("generativelanguage.googleapis.com")},
    {"huggingface", "Hugging Face hub: models and data sets",
     "https://huggingface.co/.well-known/meta.json",
     LIST("huggingface.co", "hf.co", "cas-server.xethub.hf.co", "cas-server.xethub-eu.hf.co",
	  "transfer.xethub.hf.co", "transfer.xethub-eu.hf.co", "cdn-lfs.hf.co",
	  "cdn-lfs-us-1.hf.co", "cdn-lfs-eu-1.hf.co", "aws.cdn.hf.co", "us.aws.cdn.hf.co",
	  "us-east-1.aws.cdn.hf.co", "us-west-2.aws.cdn.hf.co", "eu-west-3.aws.cdn.hf.co",
	  "ap-southeast-1.aws.cdn.hf.co", "us.gcp.cdn.hf.co", "us-east1.us.gcp.cdn.hf.co",
	  "us-central1.us.gcp.cdn.hf.co", "us-west4.us.gcp.cdn.hf.co",
	  "europe-west4.us.gcp.cdn.hf.co", "asia-southeast1.us.gcp.cdn.hf.co")},
    {"ollama-registry", "Ollama's model registry", "https://github.com/ollama/ollama/issues/4307",
     LIST("registry.ollama.ai", "ollama.com",
	  "dd20bb891979d25aebc8bec07b2b3bbc.r2.cloudflarestorage.com")},
    {"pypi", "the Python Package Index", "https://docs.pypi.org",
     LIST("pypi.org", "files.pythonhosted.org")},
    {"npm", "the npm registry", "https://docs.npmjs.com", LIST("registry.npmjs.org")},
    {"crates", "crates.io", "https://doc.rust-lang.org/cargo/reference/registries.html",
     LIST("index.crates.io", "static.crates.io", "crates.io")},
    {"go", "the Go module mirror and checksum database", "https://proxy.golang.org",
     LIST("proxy.golang.org", "sum.golang.org")},
    {"debian", "Debian's package archive", "https://www.debian.org/mirror",
     LIST("http://deb.debian.org", "deb.debian.org", "http://security.debian.org",
	  "security.debian.org")},
    {"ubuntu", "Ubuntu's package archive", "https://documentation.ubuntu.com/server",
     LIST("http://archive.ubuntu.com", "http://security.ubuntu.com", "http://ports.ubuntu.com")},
    {"github", "GitHub: web, git over https, API and release files",
     "https://docs.github.com/en/rest/meta",
     LIST("github.com", "api.github.com", "codeload.github.com", "raw.githubusercontent.com",
	  "objects.githubusercontent.com", "release-assets.githubusercontent.com",
	  "github-releases.githubusercontent.com")},
    {"docker-hub", "Docker Hub: pulling images", "https://docs.docker.com/desktop/setup/allow-list",
     LIST("registry-1.docker.io", "auth.docker.io", "production.cloudflare.docker.com",
	  "production.cloudfront.docker.com",
	  "docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com")},
};

const size_t policy_groups_n = sizeof(policy_groups) / sizeof(policy_groups[0]);
