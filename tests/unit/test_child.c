// SPDX-License-Identifier: GPL-2.0-or-later
/* The child that reads a stranger's text: what it may not do, and that nothing it says is believed.
 * tests/net/test_drop.py looks from outside at what the child has given up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "policy/base/cleanup.h"
#include "policy/child/child.h"
#include "policy/child/drop.h"
#include "policy/child/reply.h"

static int run(child_work *work, void *arg, struct child_answer *a, struct err *e)
{
	const struct child_job job = {.what = "testing", .work = work, .arg = arg};

	*e = (struct err){0};
	return child_run(&job, a, e);
}

/* ---- what it says -------------------------------------------------------- */

static void bytes_of(void *arg, struct child_answer *a)
{
	a->bytes = strdup(arg);
	a->n_bytes = strlen(arg);
}

static void gives_bytes(void **state)
{
	struct child_answer a;
	struct err e;

	assert_int_equal(run(bytes_of, "some bytes", &a, &e), 0);
	assert_int_equal(a.result, 0);
	assert_int_equal(a.n_bytes, 10);
	assert_memory_equal(a.bytes, "some bytes", 10);
	child_answer_done(&a);
}

/* As many as there can be, each as long as it can be. */
static void all_diags(void *arg, struct child_answer *a)
{
	a->result = -EINVAL;
	a->diags.list = calloc(DIAGS_MAX, sizeof(*a->diags.list));
	a->diags.n = DIAGS_MAX;
	a->diags.n_errors = DIAGS_MAX / 2 + 3;
	a->diags.left_out = 5;
	for (unsigned i = 0; i < DIAGS_MAX; i++) {
		struct diag *d = &a->diags.list[i];

		*d = (struct diag){.line = i + 1, .col = 2 * i + 1, .warning = i & 1};
		memset(d->msg, 'a' + (int)(i % 26), sizeof(d->msg) - 1);
		memset(d->hint, 'A' + (int)(i % 26), sizeof(d->hint) - 1);
	}
}

static void loses_no_text(void **state)
{
	struct child_answer want = {0}, a;
	struct err e;

	all_diags(NULL, &want);
	assert_int_equal(run(all_diags, NULL, &a, &e), 0);
	assert_int_equal(a.result, -EINVAL);
	assert_int_equal(a.diags.n, DIAGS_MAX);
	assert_int_equal(a.diags.n_errors, want.diags.n_errors);
	assert_int_equal(a.diags.left_out, 5);
	assert_memory_equal(a.diags.list, want.diags.list, DIAGS_MAX * sizeof(*want.diags.list));
	child_answer_done(&a);
	free(want.diags.list);
}

static void fails(void *arg, struct child_answer *a)
{
	a->result = err_set(&a->err, E2BIG, "too much of it");
	err_hint(&a->err, "less");
}

static void says_why(void **state)
{
	struct child_answer a;
	struct err e;

	assert_int_equal(run(fails, NULL, &a, &e), 0);
	assert_int_equal(a.result, -E2BIG);
	assert_string_equal(a.err.msg, "too much of it");
	assert_string_equal(a.err.hint, "less");
	child_answer_done(&a);
}

/* Where children are nobody's business, and 0 and 1 are closed or others' already. */
static void odd_callers(void **state)
{
	struct sigaction sa = {.sa_handler = SIG_IGN}, now;
	int in = dup(0);

	assert_int_equal(sigaction(SIGCHLD, &sa, NULL), 0);
	close(0);
	gives_bytes(state);
	assert_int_equal(dup2(in, 0), 0);
	close(in);
	assert_int_equal(sigaction(SIGCHLD, NULL, &now), 0);
	assert_true(now.sa_handler == SIG_IGN);
	sa.sa_handler = SIG_DFL;
	sigaction(SIGCHLD, &sa, NULL);
}

/* ---- how it can fail ----------------------------------------------------- */

static void refused(child_work *work, void *arg, const char *word)
{
	struct child_answer a;
	struct err e;

	assert_true(run(work, arg, &a, &e) < 0);
	if (!strstr(e.msg, word))
		print_error("'%s' is not in: %s\n", word, e.msg);
	assert_non_null(strstr(e.msg, word));
	assert_true(e.code > 0 && !a.bytes && !a.n_bytes && !a.diags.n);
}

static void crash(void *arg, struct child_answer *a)
{
	*(volatile int *)arg = 1;
}

static void ends(void *arg, struct child_answer *a)
{
	_exit(*(int *)arg);
}

static void says(void *arg, struct child_answer *a)
{
	const char *text = arg;

	_exit(write(CHILD_FD_REPLY, text, strlen(text)) > 0 ? 0 : 1);
}

static void says_much(void *arg, struct child_answer *a)
{
	static char much[REPLY_MAX + 1];

	_exit(write(CHILD_FD_REPLY, much, sizeof(much)) > 0 ? 0 : 1);
}

static void unsealed(void *arg, struct child_answer *a)
{
	struct child_answer said = {.n_bytes = 4};

	_exit(write(CHILD_FD_BYTES, "abcd", 4) == 4 && reply_send(CHILD_FD_REPLY, &said) ? 0 : 1);
}

static void no_bytes(void *arg, struct child_answer *a)
{
}

/* More than it gives. */
static void promises(void *arg, struct child_answer *a)
{
	struct child_answer said = {.n_bytes = 1000};

	_exit(reply_send(CHILD_FD_REPLY, &said) ? 0 : 1);
}

/* Where not even a memfd may be written, the bytes come through the pipe. */
static void no_files(void **state)
{
	enum { MANY = 3000000 };
	struct rlimit was;
	struct child_answer a;
	struct err e;
	char *many = malloc(MANY + 1);

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, was.rlim_max}), 0);
	gives_bytes(state);
	loses_no_text(state);
	memset(many, 'x', MANY);
	many[MANY] = '\0';
	assert_int_equal(run(bytes_of, many, &a, &e), 0);
	assert_int_equal(a.n_bytes, MANY);
	assert_memory_equal(a.bytes, many, MANY);
	child_answer_done(&a);
	free(many);
	refused(says, "ok", "nonsense");
	refused(says_much, NULL, "nonsense");
	refused(promises, NULL, "nonsense");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
}

static void fails_closed(void **state)
{
	int zero = 0, three = 3;

#ifndef AGENTFW_SANITIZE
	struct sigaction of_cmocka;

	sigaction(SIGSEGV, &(struct sigaction){.sa_handler = SIG_DFL}, &of_cmocka);
	refused(crash, NULL, "killed by signal 11");
	sigaction(SIGSEGV, &of_cmocka, NULL);
#endif
	refused(ends, &three, "status 3");
	refused(ends, &zero, "nonsense");
	refused(says, "ok", "nonsense");
	refused(says_much, NULL, "nonsense");
	refused(unsealed, NULL, "nonsense");
	refused(no_bytes, NULL, "nonsense");
}

/* ---- what it may not do -------------------------------------------------- */

enum call { OPEN, READ, DUP, SOCKET, FORK, EXEC, KILL, OTHER_FD, CODE, CODE_LATER, UNSEALED_LATER };

static void calls(void *arg, struct child_answer *a)
{
	void *p = NULL;

	switch (*(enum call *)arg) {
	case OPEN:
		open("/etc/passwd", O_RDONLY | O_CLOEXEC);
		break;
	case READ:
		p = read(CHILD_FD_BYTES, &p, 1) ? NULL : a;
		break;
	case DUP:
		p = dup(CHILD_FD_BYTES) < 0 ? NULL : a;
		break;
	case SOCKET:
		socket(AF_UNIX, SOCK_STREAM, 0);
		break;
	case FORK:
		fork();
		break;
	case EXEC:
		execl("/bin/true", "true", (char *)NULL);
		break;
	case KILL:
		kill(getppid(), SIGTERM);
		break;
	case OTHER_FD:
		p = write(2, "", 0) ? NULL : a;
		break;
	case CODE:
		mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
		break;
	case CODE_LATER:
		p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mprotect(p, 4096, PROT_READ | PROT_EXEC);
		break;
	case UNSEALED_LATER:
		fcntl(CHILD_FD_BYTES, F_SETFL, O_APPEND);
		break;
	}
	a->result = -EPERM;
}

static void makes_no_calls(void **state)
{
#ifdef AGENTFW_SANITIZE
	skip(); /* a sanitizer needs some of them */
#else
	for (enum call c = OPEN; c <= UNSEALED_LATER; c++)
		refused(calls, &c, "system call that it must not make");
#endif
}

/* ---- its reply, read as from a stranger ---------------------------------- */

static struct reply_head good = {.magic = REPLY_MAGIC, .n_bytes = 1};

static int reads(const struct reply_head *h, const struct reply_diag *d, size_t n)
{
	_cleanup_free_ char *p = malloc(sizeof(*h) + n * sizeof(*d));
	struct child_answer a = {0};
	int r;

	memcpy(p, h, sizeof(*h));
	if (n)
		memcpy(p + sizeof(*h), d, n * sizeof(*d));
	r = reply_read(p, sizeof(*h) + n * sizeof(*d), &a);
	diags_done(&a.diags);
	return r;
}

static void heads(void **state)
{
	struct reply_head h;

	assert_int_equal(reads(&good, NULL, 0), 0);
#define WITH(what)                                                                                 \
	h = good;                                                                                  \
	h.what;                                                                                    \
	assert_int_equal(reads(&h, NULL, 0), -EBADMSG)
	WITH(magic = 0);
	WITH(result = 1);
	WITH(result = -EINVAL);
	WITH(result = INT32_MIN);
	WITH(n_diags = 1);
	WITH(n_diags = UINT32_MAX);
	WITH(err_code = EPERM);
	WITH(n_errors = 1);
	WITH(left_out = UINT64_MAX);
	WITH(n_bytes = 0);
	WITH(n_bytes = UINT64_MAX);
	memset(h.msg, 'x', sizeof(h.msg));
	h = good;
	memset(h.hint, 'x', sizeof(h.hint));
	assert_int_equal(reads(&h, NULL, 0), -EBADMSG);
	h = good;
	memset(h.msg, 'x', sizeof(h.msg));
	assert_int_equal(reads(&h, NULL, 0), -EBADMSG);
	assert_int_equal(reply_read(&good, sizeof(good) - 1, NULL), -EBADMSG);
}

static void diagnostics(void **state)
{
	struct reply_head h = good;
	struct reply_diag d[2] = {{.line = 1, .col = 1, .warning = 1},
				  {.line = 2, .col = 1, .warning = 1}};

	h.n_diags = 2;
	assert_int_equal(reads(&h, d, 2), 0);
	assert_int_equal(reads(&h, d, 1), -EBADMSG);
	d[1].warning = 2;
	assert_int_equal(reads(&h, d, 2), -EBADMSG);
	d[1].warning = 0; /* an error, and the work is done? */
	assert_int_equal(reads(&h, d, 2), -EBADMSG);
	h.result = -EINVAL;
	h.n_bytes = 0;
	h.n_errors = 1;
	assert_int_equal(reads(&h, d, 2), 0);
	h.n_errors = 2; /* where is the other? */
	assert_int_equal(reads(&h, d, 2), -EBADMSG);
	h.left_out = 1;
	assert_int_equal(reads(&h, d, 2), 0);
	d[0].line = 0;
	assert_int_equal(reads(&h, d, 2), -EBADMSG);
	d[0].line = 1;
	memset(d[0].hint, 'x', sizeof(d[0].hint));
	assert_int_equal(reads(&h, d, 2), -EBADMSG);
}

/* ---- a policy ------------------------------------------------------------ */

static void compiles(void **state)
{
	static const char text[] = "version: 1\negress: [a.example]\n",
			  bad[] = "version: 1\nx: 1\n";
	struct err e = {0};
	struct diags d;
	struct policy *p;
	void *blob;
	size_t n;

	assert_int_equal(policy_compile_apart("/p.yaml", text, strlen(text), &d, &blob, &n, &e), 0);
	assert_int_equal(policy_open(blob, n, &p, &e), 0);
	assert_int_equal(policy_rules(p), 1);
	policy_free(p);
	child_unmap(blob, n);
	diags_done(&d);
	assert_int_equal(policy_compile_apart("/p.yaml", bad, strlen(bad), &d, &blob, &n, &e),
			 -EINVAL);
	assert_int_equal(d.n_errors, 1);
	assert_int_equal(d.list[0].line, 2);
	assert_string_equal(d.list[0].msg, "unknown key 'x' in the policy");
	diags_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_bytes),  cmocka_unit_test(loses_no_text),
	    cmocka_unit_test(says_why),     cmocka_unit_test(odd_callers),
	    cmocka_unit_test(fails_closed), cmocka_unit_test(makes_no_calls),
	    cmocka_unit_test(heads),        cmocka_unit_test(diagnostics),
	    cmocka_unit_test(compiles),     cmocka_unit_test(no_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
