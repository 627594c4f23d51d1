// SPDX-License-Identifier: GPL-2.0-or-later
/* Records of the kernel's audit log, as text: "audit(SECONDS.MS:SERIAL): key=value key=value …". */
#include "agentctl/seen/audit_record.h"

#include <string.h>

#include "policy/base/cleanup.h"
#include "policy/base/err.h"
#include "policy/base/rights.h"

#define NS 1000000000ull

struct text {
	const char *p, *end;
};

struct value {
	const char *p;
	size_t n;
	bool quoted;
};

/* Landlock's names for rights (security/landlock/audit.c), in the words of a profile. */
static const struct {
	const char *name;
	uint32_t right;
} blockers[] = {
    {"fs.execute", RIGHT_EXEC},
    {"fs.write_file", RIGHT_WRITE},
    {"fs.read_file", RIGHT_READ},
    {"fs.read_dir", RIGHT_READ},
    {"fs.remove_dir", RIGHT_WRITE},
    {"fs.remove_file", RIGHT_WRITE},
    {"fs.make_char", RIGHT_WRITE},
    {"fs.make_dir", RIGHT_WRITE},
    {"fs.make_reg", RIGHT_WRITE},
    {"fs.make_sock", RIGHT_WRITE},
    {"fs.make_fifo", RIGHT_WRITE},
    {"fs.make_block", RIGHT_WRITE},
    {"fs.make_sym", RIGHT_WRITE},
    {"fs.refer", RIGHT_WRITE},
    {"fs.truncate", RIGHT_WRITE},
    {"fs.ioctl_dev", RIGHT_WRITE},
    {"scope.abstract_unix_socket", RIGHT_SOCKET},
    {"scope.signal", RIGHT_SIGNAL},
};

/* ---- pieces ---------------------------------------------------------------------------------- */

static bool text_skip(struct text *t, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(t->end - t->p) < n || memcmp(t->p, word, n) != 0)
		return false;
	t->p += n;
	return true;
}

static bool digits(const char **p, const char *end, unsigned base, uint64_t *ret)
{
	const char *start = *p;
	uint64_t n = 0;

	for (; *p < end; ++*p) {
		char c = **p;
		unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
			     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
						    : 99;

		if (d >= base)
			break;
		if (n > (UINT64_MAX - d) / base)
			return false;
		n = n * base + d;
	}
	*ret = n;
	return *p > start;
}

/* The whole value is a number no greater than max. */
static bool number(const struct value *v, unsigned base, uint64_t max, uint64_t *ret)
{
	const char *p = v->p;

	return !v->quoted && digits(&p, v->p + v->n, base, ret) && p == v->p + v->n && *ret <= max;
}

static bool number32(const struct value *v, uint32_t *ret)
{
	uint64_t n;

	if (!number(v, 10, UINT32_MAX, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* "audit(1795548731.973:67): " */
static bool head(struct text *t, struct audit_record *r)
{
	uint64_t seconds, ms;

	if (!text_skip(t, "audit(") || !digits(&t->p, t->end, 10, &seconds) ||
	    seconds > UINT64_MAX / NS - 1 || !text_skip(t, ".") ||
	    !digits(&t->p, t->end, 10, &ms) || ms > 999 || !text_skip(t, ":") ||
	    !digits(&t->p, t->end, 10, &r->serial) || !text_skip(t, "):"))
		return false;
	r->time_ns = seconds * NS + ms * 1000000;
	return true;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In quotes as it is, else two digits per byte (audit_log_untrustedstring). false: neither, or more
 * than fits. */
static bool string(const struct value *v, char *ret, size_t bytes, size_t *ret_n)
{
	size_t n = v->quoted ? v->n : v->n / 2;

	if (n >= bytes || (!v->quoted && v->n % 2))
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = v->quoted ? 0 : hex(v->p[2 * i]);
		int low = v->quoted ? 0 : hex(v->p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret[i] = v->quoted ? v->p[i] : (char)(high << 4 | low);
	}
	ret[n] = '\0';
	*ret_n = n;
	return true;
}

/* A string without NUL bytes; "(null)" is empty. */
static bool plain(const struct value *v, char *ret, size_t bytes)
{
	size_t n;

	if (v->n == 6 && memcmp(v->p, "(null)", 6) == 0 && !v->quoted) {
		ret[0] = '\0';
		return true;
	}
	return string(v, ret, bytes, &n) && strlen(ret) == n;
}

static bool path(const struct value *v, struct audit_record *r)
{
	size_t n;

	if (!string(v, r->path, sizeof(r->path), &n))
		return false;
	if (n && !r->path[0]) { /* an abstract socket: any bytes */
		char name[sizeof(r->path)];

		memcpy(name, r->path + 1, n - 1);
		r->path[0] = '@';
		str_escape(r->path + 1, sizeof(r->path) - 1, name, n - 1);
		return true;
	}
	return strlen(r->path) == n;
}

static bool rights(const struct value *v, struct audit_record *r)
{
	const char *p = v->p, *end = v->p + v->n;

	if (v->quoted || !v->n)
		return false;
	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		size_t n = (size_t)((comma ? comma : end) - p);
		uint32_t right = RIGHT_OTHER;

		for (size_t i = 0; i < ARRAY_SIZE(blockers); i++)
			if (strlen(blockers[i].name) == n && memcmp(blockers[i].name, p, n) == 0)
				right = blockers[i].right;
		if (!n)
			return false;
		r->rights |= right;
		p += n + (comma != NULL);
		if (comma && p == end)
			return false;
	}
	str_escape(r->access, sizeof(r->access), v->p,
		   v->n < sizeof(r->access) ? v->n : sizeof(r->access) - 1);
	return true;
}

/* ---- fields ---------------------------------------------------------------------------------- */

enum field { F_DOMAIN, F_BLOCKERS, F_PATH, F_STATUS, F_PID, F_UID, F_EXE, F_COMM, FIELDS };

static const char *const field_names[FIELDS] = {"domain", "blockers", "path", "status",
						"pid",    "uid",      "exe",  "comm"};

static bool status(const struct value *v, struct audit_record *r)
{
	r->allocated = v->n == 9 && memcmp(v->p, "allocated", 9) == 0;
	return !v->quoted && (r->allocated || (v->n == 11 && memcmp(v->p, "deallocated", 11) == 0));
}

static bool known(struct audit_record *r, enum field f, const struct value *v)
{
	switch (f) {
	case F_DOMAIN:
		return number(v, 16, UINT64_MAX, &r->domain);
	case F_BLOCKERS:
		return rights(v, r);
	case F_PATH:
		return path(v, r);
	case F_STATUS:
		return status(v, r);
	case F_PID:
		return number32(v, &r->pid);
	case F_UID:
		return number32(v, &r->uid);
	case F_EXE:
		return plain(v, r->exe, sizeof(r->exe));
	case F_COMM:
		return plain(v, r->comm, sizeof(r->comm));
	case FIELDS:
		break;
	}
	return false;
}

/* A word without '=' belongs to the value before it (a label of a security module): passed over. */
static bool field(struct text *t, struct audit_record *r, unsigned *seen)
{
	const char *key = t->p, *stop = memchr(t->p, ' ', (size_t)(t->end - t->p));
	const char *equals = memchr(key, '=', (size_t)((stop ? stop : t->end) - key));
	struct value v;

	if (!equals) {
		t->p = stop ? stop : t->end;
		return true;
	}
	v = (struct value){.p = equals + 1, .quoted = equals + 1 < t->end && equals[1] == '"'};
	if (v.quoted) {
		const char *close =
		    ++v.p < t->end ? memchr(v.p, '"', (size_t)(t->end - v.p)) : NULL;

		if (!close || (close + 1 < t->end && close[1] != ' '))
			return false;
		v.n = (size_t)(close - v.p);
		t->p = close + 1;
	} else {
		stop = memchr(v.p, ' ', (size_t)(t->end - v.p));
		v.n = (size_t)((stop ? stop : t->end) - v.p);
		t->p = v.p + v.n;
	}
	for (enum field f = 0; f < FIELDS; f++)
		if (strlen(field_names[f]) == (size_t)(equals - key) &&
		    memcmp(field_names[f], key, (size_t)(equals - key)) == 0) {
			if (*seen & 1u << f)
				return false;
			*seen |= 1u << f;
			return known(r, f, &v);
		}
	return true;
}

static bool whole(unsigned type, unsigned seen, const struct audit_record *r)
{
	switch (type) {
	case AUDIT_TYPE_LANDLOCK_ACCESS:
		return seen & 1u << F_DOMAIN && seen & 1u << F_BLOCKERS;
	case AUDIT_TYPE_LANDLOCK_DOMAIN:
		return seen & 1u << F_DOMAIN && seen & 1u << F_STATUS &&
		       (!r->allocated || (seen & 1u << F_PID && seen & 1u << F_EXE));
	default:
		return seen & 1u << F_PID;
	}
}

enum audit_result audit_record_parse(unsigned type, const char *text, size_t bytes,
				     struct audit_record *ret)
{
	struct text t = {text, text + bytes};
	unsigned seen = 0;

	if (type != AUDIT_TYPE_LANDLOCK_ACCESS && type != AUDIT_TYPE_LANDLOCK_DOMAIN &&
	    type != AUDIT_TYPE_SYSCALL)
		return AUDIT_NOT_OURS;
	*ret = (struct audit_record){.type = type, .uid = UINT32_MAX};
	while (t.end > t.p && t.end[-1] == '\0')
		t.end--;
	if (memchr(t.p, '\0', (size_t)(t.end - t.p)) || bytes > AUDIT_RECORD_MAX || !head(&t, ret))
		return AUDIT_BAD;
	while (t.p < t.end) {
		if (*t.p != ' ')
			return AUDIT_BAD;
		t.p++;
		if (!field(&t, ret, &seen))
			return AUDIT_BAD;
	}
	return whole(type, seen, ret) ? AUDIT_OK : AUDIT_BAD;
}
