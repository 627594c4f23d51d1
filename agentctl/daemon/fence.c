// SPDX-License-Identifier: GPL-2.0-or-later
/* A fence, seen from the command that asked the daemon for it. */
#include "agentctl/daemon/fence.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agentctl/daemon/client.h"
#include "agentctl/daemon/log_place.h"
#include "agentctl/daemon/policy_file.h"
#include "agentctl/launch/watched_fd.h"
#include "fw/ipc/control_msg.h"
#include "policy/base/cleanup.h"
#include "policy/base/err.h"

#define TRIES    5
#define AGAIN_US 20000

/* The name of the cgroup's directory: PROGRAM-PID or TOOL-PID, or AGENT.TOOL for a call from a
 * fence. */
static void fence_name(const struct fence_wish *w, char *ret, size_t bytes)
{
	const char *base = w->tool ? w->tool : strrchr(w->command[0], '/');
	char clean[48];
	size_t n = 0;

	if (!w->tool)
		base = base ? base + 1 : w->command[0];
	for (; *base && n < sizeof(clean) - 1; base++) {
		unsigned char c = (unsigned char)tolower((unsigned char)*base);

		clean[n] = isalnum(c) || c == '_' || (c == '.' && n) ? (char)c : '_';
		n++;
	}
	clean[n] = '\0';
	if (w->agent)
		snprintf(ret, bytes, "%s.%s", w->agent, clean);
	else
		snprintf(ret, bytes, "%s-%d", n ? clean : "run", (int)getpid());
}

static void command_line(char **command, char *ret, size_t bytes)
{
	size_t n = 0;

	ret[0] = '\0';
	for (char **a = command; *a && n < bytes; a++)
		n += (size_t)snprintf(ret + n, bytes - n, "%s%s", n ? " " : "", *a);
}

static int ask_daemon(struct fence *f, const struct fence_wish *w, struct ctl_create *m, int policy,
		      struct err *e)
{
	int r;

	if (f->control >= 0)
		close(f->control);
	f->control = client_connect(true, &f->patience, e);
	if (f->control < 0)
		return f->control;
	r = log_place_hand_over(w->log, f->control, w->snaplen, &f->patience, e);
	if (r < 0)
		return r;
	if ((r = client_send(f->control, m, sizeof(*m), CTL_CREATE, policy, &f->patience, e)) < 0)
		return r;
	return client_receive(f->control, &f->made, sizeof(f->made), CTL_CREATED, &f->patience, e);
}

/* The daemon ended while it was asked: the next try starts another. */
static bool is_going(int r)
{
	return r == -ECONNRESET || r == -EPIPE || r == -ESHUTDOWN;
}

int fence_open(struct fence *f, const struct fence_wish *w, struct err *e)
{
	_cleanup_free_ struct ctl_create *m = calloc(1, sizeof(*m));
	_cleanup_close_ int fd = policy_memfd(w->blob, w->bytes, e);
	int r;

	if (!m)
		return err_set(e, ENOMEM, "out of memory");
	if (fd < 0)
		return fd;
	m->flags = w->audit ? CTL_CREATE_AUDIT : 0;
	fence_name(w, m->name, sizeof(m->name));
	command_line(w->command, m->command, sizeof(m->command));
	snprintf(m->tool, sizeof(m->tool), "%s", w->tool ? w->tool : "");
	f->tool = w->tool;
	for (unsigned i = 0; (r = ask_daemon(f, w, m, fd, e)) < 0 && is_going(r) && i < TRIES; i++)
		usleep(AGAIN_US);
	return r;
}

static bool take_summary(struct fence *f, struct err *e)
{
	f->ended = client_receive(f->control, &f->summary, sizeof(f->summary), CTL_SUMMARY,
				  &f->patience, e) == 0;
	return f->ended;
}

static void tell_going(void)
{
	fputs("agentctl: the firewall daemon was told to end, and has ended what ran in this "
	      "fence\n",
	      stderr);
}

/* The daemon sends something only when the fence is over; else the connection has ended. */
void fence_gone(struct watched_fd *w)
{
	struct fence *f = w->arg;
	struct err e;

	w->fd = -1;
	f->gone = true;
	if (take_summary(f, &e))
		return;
	if (e.code != ECONNRESET)
		fprintf(stderr, "agentctl: %s%s%s; what ran in this fence is ended\n", e.msg,
			e.hint[0] ? "; " : "", e.hint);
	else
		fputs("agentctl: the firewall daemon has gone; the fence is closed: nothing new "
		      "gets out; the next daemon that starts ends what runs in it\n",
		      stderr);
}

/* Without the daemon the rules stay and keep the fence closed; its processes are ended here. */
static void clean_up_alone(const struct fence *f)
{
	char path[CTL_PATH_MAX + 16];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/cgroup.kill", f->made.cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	(void)!write(fd, "1", 1);
	for (int i = 0; i < 200 && rmdir(f->made.cgroup) < 0 && errno == EBUSY; i++)
		usleep(5000);
	if (access(f->made.cgroup, F_OK) == 0)
		fprintf(stderr, "agentctl: the processes in '%s' do not end\n", f->made.cgroup);
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void tell_last(const struct ctl_summary *s)
{
	for (uint64_t i = 0; i < s->n_last && i < CTL_LAST_MAX; i++) {
		char what[sizeof(s->last[i].what) * 4], fix[sizeof(s->last[i].suggest) * 4];
		const struct ctl_last *l = &s->last[i];

		str_escape(what, sizeof(what), l->what, strnlen(l->what, sizeof(l->what)));
		str_escape(fix, sizeof(fix), l->suggest, strnlen(l->suggest, sizeof(l->suggest)));
		fprintf(stderr, "agentctl: %s: %s%s%s%s\n",
			s->would_deny ? "would be refused" : "refused", what,
			fix[0] ? "; to allow it" : "",
			fix[0] == ' ' ? ", under egress: "
			: fix[0]      ? ": "
				      : "",
			fix + strspn(fix, " "));
	}
}

static void tell_summary(const struct fence *f, const struct ctl_summary *s, bool verbose)
{
	char word[CTL_PATH_MAX];

	str_word(word, sizeof(word), f->made.log_dir);
	if (!verbose && !s->refused && !s->would_deny && !s->lost && !s->write_errno)
		return;
	fprintf(stderr, "agentctl: %s%s%llu connection%s allowed, ", f->tool ? f->tool : "",
		f->tool ? ": " : "", (unsigned long long)s->allowed, plural(s->allowed));
	if (s->would_deny)
		fprintf(stderr, "%llu would have been refused", (unsigned long long)s->would_deny);
	else
		fprintf(stderr, "%llu refused", (unsigned long long)s->refused);
	if (s->lost)
		fprintf(stderr, ", %llu could not be recorded", (unsigned long long)s->lost);
	if (s->write_errno)
		fprintf(stderr, "; the record in %s could not be written: %s", word,
			strerror((int)s->write_errno));
	fprintf(stderr, "; see: agentctl log --log-dir %s --denied\n", word);
}

void fence_close(struct fence *f, bool verbose, int status)
{
	struct ctl_head end;
	struct err e = {0};

	patience_anew(&f->patience); /* what came before was for the command */
	if (!f->gone) {
		/* a daemon that was told to end has closed the connection; its summary may be in
		 * it */
		(void)client_send(f->control, &end, sizeof(end), CTL_END, -1, &f->patience, &e);
		take_summary(f, &e);
	}
	if (f->ended) {
		if (f->summary.going)
			tell_going();
		if (status)
			tell_last(&f->summary);
		tell_summary(f, &f->summary, verbose);
		return;
	}
	if (!f->gone && !f->patience.signo)
		fprintf(stderr, "agentctl: %s%s%s\n", e.msg, e.hint[0] ? "; " : "", e.hint);
	clean_up_alone(f);
}
