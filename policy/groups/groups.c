/* The endpoints of well-known services, as they document them. */
#include "policy/policy.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

const struct policy_group policy_groups[] = {
	{ "openai", "OpenAI's API", "platform.openai.com/docs/api-reference", LIST("api.openai.com") },
	{ "anthropic", "Anthropic's API", "docs.anthropic.com/en/api", LIST("api.anthropic.com") },
	{ "google-ai", "Google's Gemini API", "ai.google.dev/api",
	  LIST("generativelanguage.googleapis.com") },
	{ "huggingface", "Hugging Face hub: models and data sets", "huggingface.co/docs/hub",
	  LIST("huggingface.co", "cdn-lfs.huggingface.co", "cdn-lfs.hf.co", "cdn-lfs-us-1.hf.co",
	       "cdn-lfs-eu-1.hf.co", "cas-bridge.xethub.hf.co", "cas-server.xethub.hf.co",
	       "transfer.xethub.hf.co") },
	{ "ollama-registry", "Ollama's model registry", "ollama.com",
	  LIST("registry.ollama.ai", "ollama.com",
	       "dd20bb891979d25aebc8bec07b2b3bbc.r2.cloudflarestorage.com") },
	{ "pypi", "the Python Package Index", "docs.pypi.org",
	  LIST("pypi.org", "files.pythonhosted.org") },
	{ "npm", "the npm registry", "docs.npmjs.com", LIST("registry.npmjs.org") },
	{ "crates", "crates.io", "doc.rust-lang.org/cargo/reference/registries.html",
	  LIST("index.crates.io", "static.crates.io", "crates.io") },
	{ "go", "the Go module mirror and checksum database", "proxy.golang.org",
	  LIST("proxy.golang.org", "sum.golang.org") },
	{ "debian", "Debian's package archive", "www.debian.org/mirror",
	  LIST("http://deb.debian.org", "deb.debian.org", "http://security.debian.org",
	       "security.debian.org") },
	{ "ubuntu", "Ubuntu's package archive", "documentation.ubuntu.com/server",
	  LIST("http://archive.ubuntu.com", "http://security.ubuntu.com", "http://ports.ubuntu.com") },
	{ "github", "GitHub: web, git over https, API and release files",
	  "docs.github.com/en/rest/meta",
	  LIST("github.com", "api.github.com", "codeload.github.com", "raw.githubusercontent.com",
	       "objects.githubusercontent.com", "release-assets.githubusercontent.com",
	       "github-releases.githubusercontent.com") },
	{ "docker-hub", "Docker Hub: pulling images", "docs.docker.com/desktop/setup/allow-list",
	  LIST("registry-1.docker.io", "auth.docker.io", "production.cloudflare.docker.com",
	       "docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com") },
};

const size_t policy_groups_n = sizeof(policy_groups) / sizeof(policy_groups[0]);
