// SPDX-License-Identifier: GPL-2.0-or-later
/* The daemon is asked what netfilter and cgroup BPF can do: it has the code for that. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentctl/check/doctor.h"
#include "agentctl/daemon/client.h"
#include "agentctl/launch/exit_status.h"
#include "policy/base/cleanup.h"

/* The keys are those of fw/probe.c. */
static const struct {
	const char *key, *name, *with, *without;
	bool needed;
	bool by_root; /* an ordinary user cannot try it, not even in their own namespace */
} features[] = {
    {"nf_tables", "nf_tables", "rules of families inet", "no nf_tables: no fence", true},
    {"socket", "nft socket", "rules by cgroup (socket cgroupv2)",
     "no rules by cgroup (socket cgroupv2)", true},
    {"ct_mark", "nft ct", "connection marks", "no connection marks", true},
    {"ct_zone", "nft ct zone", "connection zones", "no connection zones", true},
    {"reject", "nft reject", "refusals are told at once", "no reject", true},
    {"redirect", "nft redirect", "DNS comes to our resolver", "no redirect (nat)", true},
    {"nfqueue", "nfnetlink_queue", "packets come to the daemon", "no nfnetlink_queue", true},
    {"socket_wall", "socket wall", "programs on cgroups (BPF) refuse what no rule could judge",
     "no cgroup BPF programs: a profile must say best_effort: true", true, true},
    {"slow_payloads", "slow payloads",
     "a request or hello in pieces may take its time (BPF struct_ops)",
     "a request or hello in pieces that come late, or many, may be refused", false, true},
};
#define FEATURES ARRAY_SIZE(features)

struct answers {
	char text[2048];
};

/* true: yes; else the reason is in ret_why. */
static bool probe_answer(const struct answers *a, const char *key, char *ret_why, size_t bytes)
{
	size_t n = strlen(key);
	const char *p = a->text;

	snprintf(ret_why, bytes, "not known");
	while (p && *p) {
		if (strncmp(p, key, n) == 0 && p[n] == ' ') {
			snprintf(ret_why, bytes, "%.*s", (int)strcspn(p + n + 1, "\n"), p + n + 1);
			return strcmp(ret_why, "yes") == 0;
		}
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	return false;
}

static bool run_probe(const char *daemon, struct answers *ret)
{
	int fds[2], status = 0;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	if (pipe(fds) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		close(fds[0]);
		close(fds[1]);
		execl(daemon, "agentfwd", "--probe", (char *)NULL);
		_exit(EXIT_CTL);
	}
	close(fds[1]);
	while (n < sizeof(ret->text) - 1 &&
	       (got = read(fds[0], ret->text + n, sizeof(ret->text) - 1 - n)) > 0)
		n += (size_t)got;
	ret->text[n] = '\0';
	close(fds[0]);
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

static void queue(struct checks *c, const struct answers *a)
{
	char native[100], xt[100];
	bool has_native = probe_answer(a, "queue_native", native, sizeof(native));
	bool has_xt = probe_answer(a, "queue_xt", xt, sizeof(xt));
	struct check *k = check_add(c, "nft queue", has_native || has_xt, true,
				    has_native ? "native"
				    : has_xt   ? "NFQUEUE of xtables"
					       : "neither native nor of xtables");

	if (!has_native && !has_xt)
		check_hint(k, "modules nft_queue, or xt_NFQUEUE and nft_compat");
}

static void table(struct checks *c, const struct answers *a)
{
	char why[100];
	bool owner = probe_answer(a, "owner", why, sizeof(why));
	bool persist = probe_answer(a, "persist", why, sizeof(why));

	check_add(c, "nft owner", owner && persist, false,
		  owner && persist ? "nobody else changes our rules, and they outlive the daemon"
		  : owner
		      ? "our rules go with the daemon: with it gone, what lives behind a fence is "
			"killed by agentctl only (Linux 6.9 keeps them)"
		      : "others, as nft flush ruleset, can take our rules away (Linux 5.12)");
}

void doctor_net(struct checks *c)
{
	struct answers a = {0};
	char daemon[4096], why[100];
	bool found = client_find_daemon(daemon, sizeof(daemon)), asked;
	struct check *k =
	    check_add(c, "agentfwd", found, true, "%s",
		      found ? daemon : "not beside agentctl, nor where programs of root are");

	if (!found) {
		check_hint(k, "make install; without it netfilter is not looked at");
		return;
	}
	asked = run_probe(daemon, &a);
	if (!asked) {
		a.text[strcspn(a.text, "\n")] = '\0';
		k = check_add(c, "netfilter", false, true, "agentfwd could not try it: %.250s",
			      a.text);
		check_hint(k, "agentfwd --probe");
		return;
	}
	for (size_t i = 0; i < FEATURES; i++) {
		bool yes = probe_answer(&a, features[i].key, why, sizeof(why));

		if (!yes && features[i].by_root && geteuid() != 0) {
			check_add(c, features[i].name, false, false, "only root can try it");
			continue;
		}

		if (yes)
			check_add(c, features[i].name, true, features[i].needed, "%s",
				  features[i].with);
		else
			check_add(c, features[i].name, false, features[i].needed, "%s: %s",
				  features[i].without, why);
	}
	queue(c, &a);
	table(c, &a);
}
