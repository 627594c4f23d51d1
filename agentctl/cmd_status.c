// SPDX-License-Identifier: GPL-2.0-or-later
/* agentctl status: the fences there are. Exit status 3 when no daemon runs. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agentctl/command.h"
#include "agentctl/daemon/client.h"
#include "agentctl/launch/exit_status.h"
#include "fw/ipc/control_msg.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"

#define TRIES            4
#define EXIT_NOT_RUNNING 3

static const char *status_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "?";
}

static long long status_num(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void show_status(const json_t *root)
{
	const json_t *engine = json_object_get(root, "engine"),
		     *kernel = json_object_get(root, "kernel");
	json_t *f, *fences = json_object_get(root, "fences");
	size_t i;

	printf("agentfwd %s, pid %lld, engine %lld (%lld restarts); queue: %s, rules: %s\n",
	       status_str(root, "version"), status_num(root, "pid"), status_num(engine, "pid"),
	       status_num(engine, "restarts"), status_str(kernel, "queue"),
	       json_is_true(json_object_get(kernel, "owner")) ? "owned" : "not owned");
	if (!json_array_size(fences)) {
		puts("no fence");
		return;
	}
	printf("\n%-24s %-8s %9s %9s %6s  %s\n", "FENCE", "MODE", "ALLOWED", "REFUSED", "LOST",
	       "COMMAND");
	json_array_foreach(fences, i, f)
	{
		char command[200];
		const char *c = status_str(f, "command");
		bool audit = strcmp(status_str(f, "mode"), "audit") == 0;

		printf("%-24s %-8s %9lld %9lld %6lld  %s\n", status_str(f, "name"),
		       status_str(f, "mode"), status_num(f, "allowed"),
		       status_num(f, audit ? "would_deny" : "refused"), status_num(f, "lost"),
		       str_escape(command, sizeof(command), c, strlen(c)));
	}
}

static json_t *ask_status(int daemon, struct patience *p, struct err *e)
{
	_cleanup_close_ int text = memfd_create("agentfw-status", MFD_CLOEXEC);
	struct ctl_head m;
	json_error_t why;
	json_t *root;

	if (text < 0) {
		err_set(e, errno, "cannot make a memfd: %s", strerror(errno));
		return NULL;
	}
	if (client_send(daemon, &m, sizeof(m), CTL_STATUS, text, p, e) < 0 ||
	    client_receive(daemon, &m, sizeof(m), CTL_STATUS_TEXT, p, e) < 0)
		return NULL;
	lseek(text, 0, SEEK_SET);
	root = json_loadfd(text, 0, &why);
	if (!root)
		err_set(e, EPROTO, "agentfwd's answer is no JSON: %s", why.text);
	return root;
}

/* A daemon that goes while it is asked is none, or the next one answers. NULL with e; e->code
 * ENOENT: there is none. */
static json_t *status_now(struct patience *p, struct err *e)
{
	for (unsigned tries = 1;; tries++) {
		_cleanup_close_ int fd = client_connect(false, p, e);
		json_t *root;

		if (fd == -ENOENT)
			e->code = ENOENT;
		if (fd < 0)
			return NULL;
		root = ask_status(fd, p, e);
		if (root || tries == TRIES || (e->code != ECONNRESET && e->code != EPIPE))
			return root;
	}
}

int cmd_status(int argc, char **argv)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	struct patience patience = {0};
	bool as_json = false;
	struct err e = {0};
	json_t *root;
	int o;

	while ((o = ctl_option("status", argc, argv, ":", longs)) != -1) {
		if (o != 'j')
			return EXIT_CTL;
		as_json = true;
	}
	if (!ctl_no_more("status", argc, argv))
		return EXIT_CTL;
	root = status_now(&patience, &e);
	if (!root && e.code == ENOENT) {
		puts(as_json ? "{\"fences\":[]}"
			     : "no agentfwd runs in this network namespace: no fence");
		return EXIT_NOT_RUNNING;
	}
	if (!root)
		return ctl_fail_waiting(patience.signo, &e);
	if (as_json) {
		json_dumpf(root, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		show_status(root);
	}
	json_decref(root);
	return 0;
}
