// SPDX-License-Identifier: GPL-2.0-or-later
/* The caller's side: starts the child, waits for it within a limit, checks its answer. */
#include "policy/child/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/base/cleanup.h"
#include "policy/base/clock.h"
#include "policy/blob/blob.h"
#include "policy/child/drop.h"
#include "policy/child/reply.h"

/* A policy of a million names takes some seconds on a busy machine. */
#define CHILD_MS        10000
#define CHILD_MS_PER_MB 1000

#define PIPE_BYTES (128 << 10)

static_assert(REPLY_MAX < PIPE_BYTES, "a reply must not wait for who reads it");

#define SUSPECT "nothing was done; if the policy is not yours, do not trust it"

struct child {
	const struct child_job *job;
	pid_t pid;
	int reply, bytes; /* our end of the pipe; the memfd */
	bool piped;       /* the bytes stand behind the reply: RLIMIT_FSIZE holds for memfds */
	bool roomy;       /* its whole answer fits into the pipe */
	uint64_t limit_ms, until_ms;
	struct sigaction before; /* of SIGCHLD */
	char *said;
	size_t n_said, room;
};

/* ---- the child ------------------------------------------------------------------------------- */

static bool write_bytes(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

/* The child seals the memfd: its processor has the pages. From another one the kernel would first
 * ask all processors for them, which takes longer than to compile a small policy. */
static bool put_bytes(const struct child_answer *a)
{
	return write_bytes(CHILD_FD_BYTES, a->bytes, a->n_bytes) &&
	       fcntl(CHILD_FD_BYTES, F_ADD_SEALS, CHILD_SEALS) == 0;
}

static _Noreturn void child_main(const struct child *c, int reply, pid_t parent)
{
	struct child_answer a = {0};

	if (child_drop(reply, c->bytes, parent, &a.err) < 0) {
		a.result = err_prefix(&a.err, "%s", c->job->what);
	} else {
		c->job->work(c->job->arg, &a);
		if (a.result == 0 && !c->piped && !put_bytes(&a))
			a.result = err_set(&a.err, ENOSPC, "out of memory for the result");
	}
	if (a.result < 0)
		a.n_bytes = 0;
	if (!reply_send(CHILD_FD_REPLY, &a) ||
	    (c->piped && !write_bytes(CHILD_FD_REPLY, a.bytes, a.n_bytes)))
		_exit(1);
	_exit(0);
}

/* ---- the caller ------------------------------------------------------------------------------ */

static int start(struct child *c, struct err *e)
{
	const struct sigaction plain = {.sa_handler = SIG_DFL};
	pid_t parent = getpid();
	struct rlimit files;
	int pipe_fd[2];

	c->bytes = memfd_create("agentfw-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (c->bytes < 0 || pipe2(pipe_fd, O_CLOEXEC) < 0)
		return err_set(e, errno, "%s: cannot prepare a process for it: %s", c->job->what,
			       strerror(errno));
	c->piped = getrlimit(RLIMIT_FSIZE, &files) < 0 || files.rlim_cur < BLOB_MAX;
	c->roomy = !c->piped && fcntl(pipe_fd[0], F_SETPIPE_SZ, PIPE_BYTES) >= 0;
	/* With SIGCHLD ignored the kernel reaps the child, and its status is lost. */
	sigaction(SIGCHLD, &plain, &c->before);
	c->pid = fork();
	if (c->pid == 0)
		child_main(c, pipe_fd[1], parent);
	c->reply = pipe_fd[0];
	close(pipe_fd[1]);
	if (c->pid > 0)
		return 0;
	err_set(e, errno, "%s: cannot start a process for it: %s", c->job->what, strerror(errno));
	sigaction(SIGCHLD, &c->before, NULL);
	return -e->code;
}

static int nonsense(const struct child *c, struct err *e)
{
	err_set(e, EBADMSG, "%s failed: its process answered nonsense", c->job->what);
	return err_hint(e, SUSPECT);
}

static int make_room(struct child *c, struct err *e)
{
	const size_t most = REPLY_MAX + 1 + (c->piped ? BLOB_MAX : 0);
	size_t room = c->room ? c->room * 64 : sizeof(struct reply_head) + 1;
	char *more;

	room = room < most ? room : most;
	if (room == c->room) /* it says too much */
		return nonsense(c, e);
	more = realloc(c->said, room);
	if (!more)
		return err_set(e, ENOMEM, "out of memory");
	c->said = more;
	c->room = room;
	return 0;
}

/* 1: something came; 0: the pipe is closed, which is the child's end: its filter has no close. */
static int hear_some(struct child *c, struct err *e)
{
	ssize_t n;
	int r = c->n_said == c->room ? make_room(c, e) : 0;

	if (r < 0)
		return r;
	do
		n = read(c->reply, c->said + c->n_said, c->room - c->n_said);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set(e, errno, "%s: %s", c->job->what, strerror(errno));
	c->n_said += (size_t)n;
	return n > 0;
}

/* Where all fits into the pipe only the child's end wakes us: each wake-up costs. */
static int child_hear(struct child *c, struct err *e)
{
	int r;

	do {
		struct pollfd p = {.fd = c->reply, .events = c->roomy ? 0 : POLLIN};
		uint64_t now = clock_mono_ms();

		if (now >= c->until_ms) {
			err_set(e, ETIMEDOUT, "%s took more than %u seconds, and was ended",
				c->job->what, (unsigned)(c->limit_ms / 1000));
			return err_hint(e, "nothing was done; is it a policy, and is this machine "
					   "very busy?");
		}
		r = poll(&p, 1, (int)(c->until_ms - now)) > 0 ? hear_some(c, e) : 1;
	} while (r > 0);
	return r;
}

/* A child that has ended keeps its status, whatever is sent to it here. */
static int take_end(struct child *c, struct err *e)
{
	int status = 0;
	pid_t r;

	kill(c->pid, SIGKILL);
	while ((r = waitpid(c->pid, &status, 0)) < 0 && errno == EINTR)
		;
	sigaction(SIGCHLD, &c->before, NULL);
	if (r == c->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (r != c->pid)
		return err_set(e, ECHILD, "%s: the end of its process is not known", c->job->what);
	if (!WIFSIGNALED(status))
		err_set(e, EIO, "%s failed: its process ended with status %d", c->job->what,
			WEXITSTATUS(status));
	else if (WTERMSIG(status) == SIGSYS)
		err_set(e, EIO,
			"%s failed: its process made a system call that it must not make, and "
			"was killed",
			c->job->what);
	else
		err_set(e, EIO, "%s failed: its process was killed by signal %d (%s)", c->job->what,
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	return err_hint(e, SUSPECT);
}

/* Only a sealed memfd is read: a child that was taken over could change it under the reader. */
static int map(const struct child *c, struct child_answer *a, struct err *e)
{
	struct stat st;
	void *p;

	if (!a->n_bytes)
		return 0;
	if (fcntl(c->bytes, F_GET_SEALS) != CHILD_SEALS || fstat(c->bytes, &st) < 0 ||
	    st.st_size < 0 || (uint64_t)st.st_size != a->n_bytes)
		return nonsense(c, e);
	p = mmap(NULL, a->n_bytes, PROT_READ, MAP_PRIVATE, c->bytes, 0);
	if (p == MAP_FAILED)
		return err_set(e, errno, "%s: cannot map the result: %s", c->job->what,
			       strerror(errno));
	a->bytes = p;
	return 0;
}

/* The bytes that came through the pipe, as a copy of ours. */
static int copy(const struct child *c, struct child_answer *a, struct err *e)
{
	void *p;

	if (!a->n_bytes)
		return 0;
	p = mmap(NULL, a->n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return err_set(e, errno, "%s: cannot map the result: %s", c->job->what,
			       strerror(errno));
	memcpy(p, c->said + c->n_said - a->n_bytes, a->n_bytes);
	mprotect(p, a->n_bytes, PROT_READ);
	a->bytes = p;
	return 0;
}

static int look(const struct child *c, struct child_answer *ret, struct err *e)
{
	struct child_answer a = {0};
	size_t behind = c->piped ? reply_bytes(c->said, c->n_said) : 0;
	int r = behind <= c->n_said ? reply_read(c->said, c->n_said - behind, &a) : -EBADMSG;

	if (r < 0)
		return r == -ENOMEM ? err_set(e, ENOMEM, "out of memory") : nonsense(c, e);
	if ((r = c->piped ? copy(c, &a, e) : map(c, &a, e)) < 0) {
		diags_done(&a.diags);
		return r;
	}
	*ret = a;
	return 0;
}

int child_run(const struct child_job *job, struct child_answer *ret, struct err *e)
{
	struct child c = {.job = job, .reply = -1, .bytes = -1};
	struct err heard = {0};
	int r;

	*ret = (struct child_answer){0};
	c.limit_ms = CHILD_MS + (job->text_bytes >> 20) * CHILD_MS_PER_MB;
	c.until_ms = clock_mono_ms() + c.limit_ms;
	r = start(&c, e);
	if (r == 0) {
		int ended;

		r = child_hear(&c, &heard);
		ended = take_end(&c, e);
		if (r < 0)
			*e = heard;
		else if (ended < 0)
			r = ended;
		else
			r = look(&c, ret, e);
	}
	if (c.reply >= 0)
		close(c.reply);
	if (c.bytes >= 0)
		close(c.bytes);
	free(c.said);
	return r;
}

void child_unmap(void *bytes, size_t n)
{
	if (bytes)
		munmap(bytes, n);
}

void child_answer_done(struct child_answer *a)
{
	diags_done(&a->diags);
	child_unmap(a->bytes, a->n_bytes);
	*a = (struct child_answer){0};
}
