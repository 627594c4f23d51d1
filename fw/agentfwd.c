// SPDX-License-Identifier: GPL-2.0-or-later
/* agentfwd: the firewall daemon. The same program is the parent and, re-executed, engine, gate and
 * asker. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "fw/asker/asker.h"
#include "fw/engine/engine.h"
#include "fw/gate/gate.h"
#include "fw/parent/parent.h"
#include "fw/probe.h"
#include "policy/base/caller.h"
#include "policy/base/cleanup.h"
#include "policy/base/log.h"
#include "policy/child/child.h"
#include "policy/policy.h"

static void agentfwd_usage(FILE *to)
{
	fputs("usage: agentfwd [--idle-exit] [--ready-fd N] [-v]\n"
	      "       agentfwd -n POLICY...\n"
	      "       agentfwd --probe\n"
	      "\n"
	      "The firewall daemon of agentfw; agentctl(1) starts one when it needs it.\n"
	      "  -n           check policies and exit\n"
	      "  --idle-exit  end when there is no fence left\n"
	      "  --probe      say what the kernel can do for fences, and exit\n"
	      "  --ready-fd N write \"1\" to descriptor N when fences can be made\n"
	      "  -v           say more\n",
	      to);
}

static int agentfwd_wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int agentfwd_wrong(const char *fmt, ...)
{
	va_list ap;

	fputs("agentfwd: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	agentfwd_usage(stderr);
	return EX_USAGE;
}

static void say(const struct err *e)
{
	log_error("%s", e->msg);
	if (e->hint[0])
		log_error("hint: %s", e->hint);
}

/* With the rights of the caller. */
static FILE *open_file(const char *path)
{
	struct rights_lent lent;
	FILE *f;
	int code;

	if (rights_of_caller(&lent, NULL) < 0)
		return NULL;
	f = fopen(path, "re");
	code = errno;
	rights_back(&lent);
	errno = code;
	return f;
}

static char *read_file(const char *path, size_t *ret_n)
{
	_cleanup_fclose_ FILE *f = open_file(path);
	_cleanup_free_ char *text = NULL;
	size_t room = 0, n = 0;

	while (f && !feof(f) && !ferror(f)) {
		if (n >= POLICY_TEXT_MAX) {
			errno = EFBIG;
			return NULL;
		}
		if (n == room) {
			char *more = realloc(text, room = room ? room * 2 : 65536);

			if (!more)
				return NULL;
			text = more;
		}
		n += fread(text + n, 1, room - n, f);
	}
	if (!f || ferror(f))
		return NULL;
	*ret_n = n;
	return steal_ptr(text);
}

static bool agentfwd_check(const char *path)
{
	_cleanup_free_ char *text = NULL;
	struct err e = {0};
	struct diags d;
	void *blob = NULL;
	size_t n, bytes = 0;
	int r;

	text = read_file(path, &n);
	if (!text) {
		r = errno;
		log_error("cannot read '%s': %s", path, strerror(r));
		if (r == ENOENT || r == ENOTDIR)
			log_error("hint: is the name right? name the policy files after -n");
		return false;
	}
	r = policy_compile_apart(path, text, n, &d, &blob, &bytes, &e);
	for (size_t i = 0; i < d.n; i++) {
		const struct diag *x = &d.list[i];
		char msg[4 * sizeof(x->msg)], hint[4 * sizeof(x->hint)];

		fprintf(stderr, "%s:%u:%u: %s: %s%s%s\n", path, x->line, x->col,
			x->warning ? "warning" : "error", str_clean(msg, sizeof(msg), x->msg),
			x->hint[0] ? "; " : "", str_clean(hint, sizeof(hint), x->hint));
	}
	if (d.left_out)
		fprintf(stderr, "%s: %zu more %s are not shown\n", path, d.left_out,
			d.n_errors ? "errors and warnings" : "warnings");
	if (r < 0 && !d.n_errors)
		say(&e);
	diags_done(&d);
	child_unmap(blob, bytes);
	return r == 0;
}

/* The processes that the parent starts (fw/parent/processes.c): --NAME UID. */
static bool run_process(int argc, char **argv, int *ret)
{
	static const struct {
		const char *option;
		int (*run)(uint32_t uid, struct err *e);
	} processes[] = {{"--engine", engine_run}, {"--gate", gate_run}, {"--asker", asker_run}};
	struct err e = {0};

	for (size_t i = 0; argc == 3 && i < ARRAY_SIZE(processes); i++) {
		if (strcmp(argv[1], processes[i].option) != 0)
			continue;
		log_init("agentfwd", 0);
		*ret = 0;
		if (processes[i].run((uint32_t)strtoul(argv[2], NULL, 10), &e) < 0) {
			if (e.code)
				say(&e);
			*ret = EX_SOFTWARE;
		}
		return true;
	}
	return false;
}

static int run_parent(const struct parent_options *o)
{
	struct err e = {0};
	int r;

	if (geteuid() != 0) {
		log_error("agentfwd needs root: it sets kernel rules and makes cgroups");
		log_error(
		    "hint: sudo agentfwd; or sudo agentctl run …, which starts one by itself");
		return EX_NOPERM;
	}
	r = parent_run(o, &e);
	if (r < 0)
		say(&e);
	return r == -EALREADY ? EX_TEMPFAIL : r < 0 ? EX_OSERR : 0;
}

static int run_probe(void)
{
	struct err e = {0};

	if (probe_print(stdout, &e) == 0)
		return fflush(stdout) == 0 ? 0 : EX_IOERR;
	say(&e);
	return EX_OSERR;
}

static int wrong_option(int c, const char *word)
{
	if (c == ':')
		return agentfwd_wrong("the option '%s' needs a value", word);
	if (optopt && strncmp(word, "--", 2) != 0)
		return agentfwd_wrong("there is no option '-%c'", optopt);
	return optopt ? agentfwd_wrong("the option '%.*s' takes no value", (int)strcspn(word, "="),
				       word)
		      : agentfwd_wrong("there is no option '%s'", word);
}

static bool descriptor(const char *text, int *ret)
{
	char *end;
	long n = strtol(text, &end, 10);

	*ret = (int)n;
	return *text >= '0' && *text <= '9' && !*end && n <= INT_MAX;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"idle-exit", no_argument, NULL, 'i'},
	    {"ready-fd", required_argument, NULL, 'r'},
	    {"probe", no_argument, NULL, 'p'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	struct parent_options o = {.ready_fd = -1};
	bool only_check = false, only_probe = false, ok = true;
	int c, verbose = 0, ret;

	if (run_process(argc, argv, &ret))
		return ret;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":nvh", options, NULL)) != -1) {
		if (c == 'n')
			only_check = true;
		else if (c == 'v')
			verbose = 1;
		else if (c == 'p')
			only_probe = true;
		else if (c == 'i')
			o.idle_exit = true;
		else if (c == 'r' && descriptor(optarg, &o.ready_fd))
			;
		else if (c == 'r')
			return agentfwd_wrong("--ready-fd: '%s' is no number of a descriptor",
					      optarg);
		else if (c == 'h')
			return agentfwd_usage(stdout), 0;
		else
			return wrong_option(c, argv[optind - 1]);
	}
	if (only_check && optind == argc)
		return agentfwd_wrong("-n: check which policy?");
	if (!only_check && optind < argc)
		return agentfwd_wrong(
		    "'%s' is one word too many; to check a policy: agentfwd -n POLICY",
		    argv[optind]);
	log_init("agentfwd", verbose);
	if (only_probe)
		return run_probe();
	if (only_check) {
		for (int i = optind; i < argc; i++)
			ok = agentfwd_check(argv[i]) && ok;
		return ok ? 0 : 1;
	}
	if (o.ready_fd >= 0 && fcntl(o.ready_fd, F_SETFD, FD_CLOEXEC) < 0)
		return agentfwd_wrong("--ready-fd %d: there is no such descriptor", o.ready_fd);
	return run_parent(&o);
}
