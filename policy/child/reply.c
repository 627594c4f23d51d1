// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/child/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/base/cleanup.h"
#include "policy/blob/blob.h"

#define ERRNO_MAX 4095

static bool send_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t sent = write(fd, at, n);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

bool reply_send(int fd, const struct child_answer *a)
{
	struct reply_head h = {.magic = REPLY_MAGIC,
			       .result = a->result,
			       .n_diags = (uint32_t)a->diags.n,
			       .err_code = (uint32_t)a->err.code,
			       .n_errors = a->diags.n_errors,
			       .left_out = a->diags.left_out,
			       .n_bytes = a->n_bytes};

	if (a->err.code) {
		memcpy(h.msg, a->err.msg, strnlen(a->err.msg, sizeof(h.msg) - 1));
		memcpy(h.hint, a->err.hint, strnlen(a->err.hint, sizeof(h.hint) - 1));
	}
	if (!send_all(fd, &h, sizeof(h)))
		return false;
	for (size_t i = 0; i < a->diags.n; i++) {
		const struct diag *from = &a->diags.list[i];
		struct reply_diag d = {
		    .line = from->line, .col = from->col, .warning = from->warning};

		memcpy(d.msg, from->msg, sizeof(d.msg));
		memcpy(d.hint, from->hint, sizeof(d.hint));
		if (!send_all(fd, &d, sizeof(d)))
			return false;
	}
	return true;
}

static bool text(const char *s, size_t room)
{
	return memchr(s, '\0', room) != NULL;
}

static bool head_ok(const struct reply_head *h, size_t n)
{
	if (h->magic != REPLY_MAGIC || h->result > 0 || h->result < -ERRNO_MAX ||
	    h->err_code > ERRNO_MAX || h->n_diags > DIAGS_MAX ||
	    n != sizeof(*h) + h->n_diags * sizeof(struct reply_diag) ||
	    !text(h->msg, sizeof(h->msg)) || !text(h->hint, sizeof(h->hint)))
		return false;
	/* Success has bytes; a failure has either diagnostics or an error, not both. */
	if (h->result == 0)
		return !h->err_code && !h->n_errors && h->n_bytes && h->n_bytes <= BLOB_MAX;
	return !h->n_bytes && (h->n_errors ? h->result == -EINVAL && !h->err_code
					   : h->err_code == (uint32_t)-h->result);
}

/* The counts fit what was listed: errors beyond that are among those left out. */
static bool counts_ok(const struct reply_head *h, size_t listed)
{
	return listed <= h->n_errors && h->n_errors - listed <= h->left_out &&
	       h->left_out <= POLICY_TEXT_MAX;
}

uint64_t reply_bytes(const void *p, size_t n)
{
	struct reply_head h;

	if (n < sizeof(h))
		return 0;
	memcpy(&h, p, sizeof(h));
	return h.n_bytes;
}

int reply_read(const void *p, size_t n, struct child_answer *ret)
{
	_cleanup_free_ struct diag *list = NULL;
	const char *at = p;
	struct reply_head h;
	size_t errors = 0;

	if (n < sizeof(h))
		return -EBADMSG;
	memcpy(&h, at, sizeof(h));
	if (!head_ok(&h, n))
		return -EBADMSG;
	at += sizeof(h);
	if (h.n_diags && !(list = calloc(h.n_diags, sizeof(*list))))
		return -ENOMEM;
	for (uint32_t i = 0; i < h.n_diags; i++, at += sizeof(struct reply_diag)) {
		struct reply_diag d;

		memcpy(&d, at, sizeof(d));
		if (d.warning > 1 || !d.line || !d.col || !text(d.msg, sizeof(d.msg)) ||
		    !text(d.hint, sizeof(d.hint)))
			return -EBADMSG;
		list[i] = (struct diag){.line = d.line, .col = d.col, .warning = d.warning};
		memcpy(list[i].msg, d.msg, sizeof(d.msg));
		memcpy(list[i].hint, d.hint, sizeof(d.hint));
		errors += !d.warning;
	}
	if (!counts_ok(&h, errors))
		return -EBADMSG;
	*ret = (struct child_answer){
	    .result = h.result, .err.code = (int)h.err_code, .n_bytes = h.n_bytes};
	ret->diags = (struct diags){steal_ptr(list), h.n_diags, h.n_errors, h.left_out};
	memcpy(ret->err.msg, h.msg, sizeof(h.msg));
	memcpy(ret->err.hint, h.hint, sizeof(h.hint));
	return 0;
}
