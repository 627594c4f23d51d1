// SPDX-License-Identifier: GPL-2.0-or-later
/* From what was learned to the text of a policy, whatever an agent calls things. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agentctl/learn/files.h"
#include "agentctl/learn/log.h"
#include "agentctl/learn/yaml.h"
#include "policy/profile.h"
#include "tests/unit/lab/given.h"
#include "tests/unit/lab/hostile.h"

static bool exists(const char *path)
{
	return true;
}

static bool is_directory(const char *path)
{
	return false;
}

static const struct learn_host host = {
    .home = "/home/alice", .exists = exists, .is_directory = is_directory};

static struct seen_endpoint *add(struct seen *to, const char *suggest, const char *name)
{
	to->endpoint = realloc(to->endpoint, (to->n_endpoints + 1) * sizeof(*to->endpoint));
	to->endpoint[to->n_endpoints] =
	    (struct seen_endpoint){.suggest = suggest ? strdup(suggest) : NULL,
				   .name = strdup(name),
				   .text = strdup("tcp://[::1]:1"),
				   .count = 3};
	return &to->endpoint[to->n_endpoints++];
}

/* A packet to ADDRESS at port. */
static void packet(struct seen *to, const char *suggest, const char *name, const char *address,
		   uint16_t port)
{
	struct seen_endpoint *e = add(to, suggest, name);

	e->l4proto = IPPROTO_TCP;
	e->dst = addr(address);
	e->port = port;
}

/* A question; answered with ADDRESS, if that is what it is about. */
static void question(struct seen *to, const char *suggest, const char *name, const char *address)
{
	struct seen_endpoint *e = add(to, suggest, name);

	e->question = true;
	e->dns = !address;
	e->l4proto = IPPROTO_UDP;
	e->port = 53;
	e->dst = addr(address ? address : "127.0.0.1");
}

/* The proposal for what is in all; it must be a policy. */
static char *write_policy(const char *base, struct seen_all *all)
{
	struct proposals files[3] = {0};
	struct diags d;
	struct err e;
	void *blob = NULL;
	size_t bytes;
	char *text;

	for (size_t i = 0; i < all->n; i++)
		assert_int_equal(learn_files(&all->by[i], &host, &files[i]), 0);
	assert_int_equal(
	    learn_policy(base, strlen(base), "/p.yaml", all, files, "# head\n", &text, &e), 0);
	if (policy_compile("/p.yaml", text, strlen(text), &d, &blob, &bytes) < 0)
		fail_msg("%s: line %u: %s", text, d.list[0].line, d.list[0].msg);
	diags_done(&d);
	free(blob);
	for (size_t i = 0; i < all->n; i++)
		proposals_done(&files[i]);
	seen_done(all);
	return text;
}

static void has(const char *text, const char *line)
{
	char want[300];

	snprintf(want, sizeof(want), "\n%s\n", line);
	if (!strstr(text, want))
		fail_msg("no line '%s' in:\n%s", line, text);
}

static void path(struct seen *to, enum right right, const char *name)
{
	assert_int_equal(
	    seen_add_path(to,
			  &(struct seen_path){.path = (char *)name, .right = right, .count = 1}),
	    0);
}

static void test_new_policy(void **state)
{
	struct seen_all all = {.n = 1};
	char *text;

	packet(&all.by[0], "a.test", "a.test", "192.0.2.1", 443);
	question(&all.by[0], "b.test", "b.test", NULL);
	packet(&all.by[0], "\"tcp://[2001:db8::1]:443\"", "", "2001:db8::1", 443);
	question(&all.by[0], "{to: c.test, addresses: [10.0.0.1]}", "c.test", "10.0.0.1");
	question(&all.by[0], "{to: c.test, addresses: [10.0.0.2]}", "c.test", "10.0.0.2");
	packet(&all.by[0], "http://d.test:8080", "d.test", "192.0.2.1", 8080);
	question(&all.by[0], "d.test", "d.test", NULL); /* that was only the way there */
	packet(&all.by[0], NULL, "", "192.0.2.1", 1);
	packet(&all.by[0], "https://github", "github", "192.0.2.1", 443); /* not the group */
	packet(&all.by[0], "tcp://192.0.2.1:443", "", "192.0.2.1", 443);
	all.by[0].endpoint[all.by[0].n_endpoints - 1].inbound = true;
	path(&all.by[0], RIGHT_READ, "/srv/a: b");
	path(&all.by[0], RIGHT_READ, "/srv/#x");
	path(&all.by[0], RIGHT_EXEC, "/bin/sh");
	text = write_policy("", &all);
	has(text, "version: 1");
	has(text, "- a.test  # 3 times");
	has(text, "- b.test  # 3 times");
	has(text, "- {to: c.test, addresses: [10.0.0.1, 10.0.0.2]}  # 6 times");
	has(text, "- https://github  # 3 times");
	has(text, "- tcp://[2001:db8::1]:443  # 3 times");
	has(text, "- http://d.test:8080  # 3 times");
	has(text, "  - {path: /bin/sh, broad: true}  # 1 time");
	has(text, "#   egress tcp://[::1]:1: nothing that a rule allows");
	has(text,
	    "#   ingress tcp://[::1]:1: left out: who may connect to a listener is not learned");
	assert_null(strstr(text, "192.0.2.1"));
	assert_null(strstr(text, "- d.test"));
	free(text);
}

static void test_policy_that_held(void **state)
{
	static const char base[] =
	    "# mine\nversion: 1\nmode: audit\negress: [a.test, {to: \"*.b.test\"}]   # flow\n"
	    "deny: [x.a.test]\ndns: {servers: [10.0.0.2], hosts: {db.test: 10.1.2.7}}\n"
	    "agent: {user: nobody, read: [/etc/ssl]}\n"
	    "tools:\n  t:\n    command: [/usr/bin/curl, \"{url}\", \"10\"]\n    limits: {time: "
	    "20s}\n";
	struct seen_all all = {.n = 3};
	char *text;

	all.by[1].tool = strdup("t");
	all.by[2].tool = strdup("u");
	packet(&all.by[0], "a.test", "a.test", "192.0.2.1", 443); /* is there */
	question(&all.by[0], "{to: a.test, addresses: [10.0.0.1]}", "a.test", "10.0.0.1");
	packet(&all.by[0], "{to: a.test, tls: {ech: allow}}", "a.test", "192.0.2.1", 443);
	packet(&all.by[0], "new.test", "new.test", "192.0.2.1", 443);
	packet(&all.by[1], "t.test", "t.test", "192.0.2.1", 443);
	packet(&all.by[2], "u.test", "u.test", "192.0.2.1", 443);
	path(&all.by[0], RIGHT_READ, "/srv/x");
	text = write_policy(base, &all);
	has(text, "mode: enforce");
	has(text, "- {to: a.test, addresses: [10.0.0.1], tls: {ech: allow}}  # 6 times");
	has(text, "#   egress tcp://[::1]:1: left out: the policy has no such tool");
	has(text, "- new.test  # 3 times");
	has(text, "- {to: \"*.b.test\"}");
	has(text, "deny: [x.a.test]");
	has(text, "dns: {servers: [10.0.0.2], hosts: {db.test: 10.1.2.7}}");
	has(text, "  user: nobody");
	has(text, "  - /etc/ssl");
	has(text, "  - /srv/x  # 1 time");
	has(text, "    command: [/usr/bin/curl, \"{url}\", \"10\"]");
	has(text, "    - t.test  # 3 times");
	assert_null(strstr(text, "- a.test"));
	free(text);
}

/* What the log suggests and what it says that was refused are not the same. */
static void test_other_than_seen(void **state)
{
	static const char *const wider[] = {"\"*.a.test\"",
					    "b.test",
					    "a.test:443,8443",
					    "http://a.test",
					    "tcp://a.test:443",
					    "192.0.2.0/24",
					    "tcp://192.0.2.0/24:443",
					    "tcp://192.0.2.1:22",
					    "github",
					    "*",
					    "{to: a.test, broad: true}",
					    "{to: a.test, addresses: [10.0.0.0/8]}",
					    "[a.test]",
					    "a.test\n- b.test",
					    "a.test\n---\nb.test",

					    "{to: &x a.test, addresses: *x}",
					    "{to: a.test, to: a.test}",
					    "",
					    "- a.test",
					    "{to: a.test, tls: {ech: deny}}",
					    "\"\\0a.test\""};
	struct seen_all all = {.n = 1};
	size_t n = sizeof(wider) / sizeof(wider[0]);
	char *text;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(wider[i], "tcp://a.test:443") != 0) /* fits a packet */
			packet(&all.by[0], wider[i], "a.test", "192.0.2.1", 443);
		question(&all.by[0], wider[i], "a.test", "10.0.0.1");
		all.by[0].endpoint[all.by[0].n_endpoints - 1].dns = true;
	}
	text = write_policy("", &all);
	if (strstr(text, "egress:"))
		fail_msg("%s", text);
	for (size_t i = 0; i < 2 * n - 1; i++)
		assert_non_null(strstr(text, "left out: what the log suggests"));
	free(text);
}

/* A directory with the name of what was a mark once had ~/.ssh behind it read. */
static void test_no_marks(void **state)
{
	struct seen_all all = {.n = 1};
	char *text;

	path(&all.by[0], RIGHT_READ, "/srv/x_agentfw_comment_0_");
	path(&all.by[0], RIGHT_READ, "/srv/_agentfw_comment_1_/../x");
	path(&all.by[0], RIGHT_READ, "/srv/a  # 3 times");
	text = write_policy("", &all);
	has(text, "  - /srv/x_agentfw_comment_0_  # 1 time");
	has(text, "  - '/srv/a  # 3 times'  # 1 time");
	has(text,
	    "#   read /srv/_agentfw_comment_1_/../x: left out: a policy cannot write this name");
	free(text);
}

/* More than a policy takes: the rest is left out, and said. */
static void test_too_many(void **state)
{
	struct seen_all all = {.n = 1};
	char name[100], *text;

	for (unsigned i = 0; i < 600; i++) {
		snprintf(name, sizeof(name), "/srv/%u/x", i);
		path(&all.by[0], RIGHT_READ, name);
		snprintf(name, sizeof(name), "/usr/bin/%u", i);
		path(&all.by[0], RIGHT_EXEC, name);
	}
	for (unsigned i = 0; i < 300; i++) {
		char address[20], entry[100];

		snprintf(address, sizeof(address), "10.0.%u.%u", i / 200, i % 200);
		snprintf(entry, sizeof(entry), "{to: a.test, addresses: [%s]}", address);
		question(&all.by[0], entry, "a.test", address);
	}
	text = write_policy("", &all);
	assert_non_null(strstr(text, "left out: a profile takes no more paths"));
	assert_non_null(strstr(text, "left out: more than 256 addresses"));
	free(text);
}

/* ---- whatever it is called ---------------------------------------------------------------------
 */

/* What the policy may allow: each is one thing that was seen. */
struct truth {
	struct endpoint ep[40];
	char path[40][300];
	enum right right[40];
	size_t n, n_paths;
};

static void random_endpoint(struct seen *to, struct truth *t)
{
	char suggest[400], text[300], shown[2000];
	struct endpoint ep = {.host = HOST_NAME, .n_ports = 1, .ports = {443}};
	bool asks = hostile_random(2);

	hostile_text(text, sizeof(text));
	if (name_canon(text, strlen(text), &ep.name)) {
		ep.scheme = asks || hostile_random(2) ? SCHEME_HTTPS : SCHEME_TCP;
		t->ep[t->n++] = ep;
	}
	endpoint_format(&ep, suggest);
	if (hostile_random(3) == 0)
		hostile_text(suggest, sizeof(suggest));
	if (asks)
		question(to, suggest, text, NULL);
	else
		packet(to, suggest, text, "192.0.2.1", 443);
	free(to->endpoint[to->n_endpoints - 1].text);
	to->endpoint[to->n_endpoints - 1].text =
	    strdup(str_escape(shown, sizeof(shown), text, strlen(text)));
}

static void random_path(struct proposals *to, struct truth *t)
{
	char *path = t->path[t->n_paths];
	struct proposal *p = &to->list[to->n++];

	snprintf(path, 8, "/srv/a/");
	hostile_text(path + 7, 250);
	t->right[t->n_paths] = (enum right)(1u << hostile_random(3));
	*p = (struct proposal){.path = path, .right = t->right[t->n_paths++], .count = 1};
	p->files = 1 + hostile_random(2);
	p->optional = hostile_random(2);
	p->broad = hostile_random(3) == 0;
}

static bool is_true(const struct truth *t, const struct endpoint *ep)
{
	for (size_t i = 0; i < t->n; i++)
		if (endpoint_equal(&t->ep[i], ep))
			return true;
	return false;
}

static bool is_path(const struct truth *t, const struct profile_path *p)
{
	for (size_t i = 0; i < t->n_paths; i++)
		if (t->right[i] == p->right && strcmp(t->path[i], p->path) == 0)
			return true;
	return false;
}

static size_t nothing_else(const struct policy *p, const struct truth *t, const char *text)
{
	struct profile agent;

	policy_profile(p, PROFILE_AGENT, &agent);
	assert_int_equal(policy_profiles(p), 1);
	for (uint32_t i = 0; i < policy_rules(p); i++) {
		struct endpoint ep;
		struct rule r;

		policy_rule(p, i, &r);
		if (r.group || r.deny || r.ingress ||
		    endpoint_parse(r.text, strlen(r.text), &ep, NULL, NULL) < 0 || !is_true(t, &ep))
			fail_msg("'%s' was not seen:\n%s", r.text, text);
	}
	for (size_t i = 0; i < agent.n_paths; i++) {
		struct profile_path x;

		profile_path(p, PROFILE_AGENT, i, &x);
		if (!is_path(t, &x))
			fail_msg("'%s' was not seen:\n%s", x.path, text);
	}
	return policy_rules(p) + agent.n_paths;
}

/* No name makes it fail, or allow what was not seen. */
static void test_whatever_it_is_called(void **state)
{
	size_t n = 0;

	for (unsigned round = 0; round < 1000; round++) {
		static struct seen_all all;
		static struct proposal list[40];
		static struct truth t;
		struct proposals files = {.list = list};
		struct policy *p;
		struct err e;
		void *blob;
		char *text;

		all = (struct seen_all){.n = 1};
		t.n = t.n_paths = 0;
		for (unsigned i = hostile_random(20); i; i--)
			random_endpoint(&all.by[0], &t);
		for (unsigned i = hostile_random(20); i; i--)
			random_path(&files, &t);
		if (learn_policy("", 0, "/p.yaml", &all, &files, "# head\n", &text, &e) < 0)
			fail_msg("%s", e.msg);
		given_policy(text, &p, &blob);
		n += nothing_else(p, &t, text);
		policy_free(p);
		free(blob);
		free(text);
		seen_done(&all);
	}
	assert_true(n > 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_new_policy),      cmocka_unit_test(test_policy_that_held),
	    cmocka_unit_test(test_other_than_seen), cmocka_unit_test(test_no_marks),
	    cmocka_unit_test(test_too_many),        cmocka_unit_test(test_whatever_it_is_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
