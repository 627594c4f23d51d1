// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/lists/suffix.h"

#include <stddef.h>

/* Source: the Public Suffix List's ICANN part for large countries, its private part for large
 * providers. */
static const char *const suffixes[] = {
    "co.uk",
    "org.uk",
    "ac.uk",
    "gov.uk",
    "me.uk",
    "com.au",
    "net.au",
    "org.au",
    "co.nz",
    "co.jp",
    "ne.jp",
    "or.jp",
    "com.cn",
    "net.cn",
    "org.cn",
    "com.br",
    "com.mx",
    "com.tr",
    "com.sg",
    "com.hk",
    "com.tw",
    "co.in",
    "co.kr",
    "co.za",
    "co.il",
    "com.ar",
    "com.my",
    "com.ua",
    "co.id",
    "co.th",
    "github.io",
    "githubusercontent.com",
    "gitlab.io",
    "herokuapp.com",
    "cloudfront.net",
    "amazonaws.com",
    "s3.amazonaws.com",
    "*.amazonaws.com",
    "*.*.amazonaws.com",
    "r2.cloudflarestorage.com",
    "cloudflarestorage.com",
    "*.digitaloceanspaces.com",
    "*.cloudapp.azure.com",
    "*.core.windows.net",
    "supabase.co",
    "elasticbeanstalk.com",
    "awsapprunner.com",
    "on.aws",
    "azurewebsites.net",
    "azureedge.net",
    "azurestaticapps.net",
    "cloudapp.net",
    "cloudapp.azure.com",
    "blob.core.windows.net",
    "core.windows.net",
    "trafficmanager.net",
    "appspot.com",
    "run.app",
    "web.app",
    "firebaseapp.com",
    "cloudfunctions.net",
    "blogspot.com",
    "googleapis.com",
    "storage.googleapis.com",
    "pages.dev",
    "workers.dev",
    "r2.dev",
    "vercel.app",
    "now.sh",
    "netlify.app",
    "netlify.com",
    "onrender.com",
    "fly.dev",
    "deno.dev",
    "glitch.me",
    "repl.co",
    "replit.app",
    "replit.dev",
    "surge.sh",
    "ngrok.io",
    "ngrok.app",
    "ngrok-free.app",
    "trycloudflare.com",
    "loca.lt",
    "serveo.net",
    "hf.space",
    "streamlit.app",
    "gradio.live",
    "wordpress.com",
    "wixsite.com",
    "duckdns.org",
    "no-ip.org",
    "ddns.net",
    "dyndns.org",
    "myshopify.com",
    "digitaloceanspaces.com",
    "ondigitalocean.app",
    "backblazeb2.com",
    "akamaized.net",
    "akamaihd.net",
    "edgekey.net",
    "fastly.net",
    "b-cdn.net",
    "codesandbox.io",
    "csb.app",
    "gitpod.io",
    "github.dev",
    "railway.app",
};

/* A '*' in the table stands for the rest of a label. */
static bool like(const char *pattern, const char *s)
{
	for (; *pattern; pattern++) {
		if (*pattern != '*' && *pattern != *s++)
			return false;
		while (*pattern == '*' && *s && *s != '.')
			s++;
	}
	return !*s;
}

bool suffix_is_public(const struct name *n)
{
	if (name_labels(n) == 1)
		return true;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (like(suffixes[i], n->s))
			return true;
	return false;
}
