// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/schema/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/base/nearest.h"

/* ---- what is wrong ------------------------------------------------------- */

static struct diag *diag_add(struct diags *d)
{
	if (d->n == DIAGS_MAX) {
		d->left_out++;
		return NULL;
	}
	if (d->n % 16 == 0) {
		struct diag *list = reallocarray(d->list, d->n + 16, sizeof(*list));

		if (!list) {
			d->left_out++;
			return NULL;
		}
		d->list = list;
	}
	memset(&d->list[d->n], 0, sizeof(d->list[0]));
	return &d->list[d->n++];
}

void diags_done(struct diags *d)
{
	free(d->list);
	*d = (struct diags){0};
}

__attribute__((format(printf, 6, 0))) static void say(struct diags *d, bool warning, unsigned line,
						      unsigned col, const char *hint,
						      const char *fmt, va_list ap)
{
	struct diag *to = diag_add(d);

	d->n_errors += !warning;
	if (!to)
		return;
	to->line = line;
	to->col = col;
	to->warning = warning;
	vsnprintf(to->msg, sizeof(to->msg), fmt, ap);
	snprintf(to->hint, sizeof(to->hint), "%s", hint ? hint : "");
}

void yaml_error(struct yaml *y, size_t col_offset, const char *hint, const char *fmt, ...)
{
	va_list ap;

	if (y->broken || y->refused) /* errors that follow from the first do not help */
		return;
	va_start(ap, fmt);
	say(y->diags, false, yaml_line(y), yaml_col(y) + (unsigned)col_offset, hint, fmt, ap);
	va_end(ap);
}

void diags_add(struct diags *d, bool warning, unsigned line, unsigned col, const char *hint,
	       const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(d, warning, line, col, hint, fmt, ap);
	va_end(ap);
}

/* ---- events -------------------------------------------------------------- */

int yaml_open(struct yaml *y, const char *text, size_t len, struct diags *d)
{
	*y = (struct yaml){.diags = d};
	if (!yaml_parser_initialize(&y->parser))
		return -ENOMEM;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* libyaml takes no BOM here */
		text += 3;
		len -= 3;
	}
	yaml_parser_set_input_string(&y->parser, (const unsigned char *)text, len);
	yaml_parser_set_encoding(&y->parser, YAML_UTF8_ENCODING);
	return 0;
}

void yaml_close(struct yaml *y)
{
	if (y->have_ev)
		yaml_event_delete(&y->ev);
	yaml_parser_delete(&y->parser);
}

bool yaml_is(const struct yaml *y, yaml_event_type_t type)
{
	return !y->broken && y->ev.type == type;
}

unsigned yaml_line(const struct yaml *y)
{
	return (unsigned)y->ev.start_mark.line + 1;
}

unsigned yaml_col(const struct yaml *y)
{
	return (unsigned)y->ev.start_mark.column + 1;
}

/* A mark's column counts characters, not bytes. */
static bool at_tab(const yaml_parser_t *p)
{
	const unsigned char *at = p->input.string.start, *end = p->input.string.end;

	for (size_t i = 0; i < p->problem_mark.line && at; i++) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : NULL;
	}
	for (size_t i = 0; at && at < end && i < p->problem_mark.column; i++)
		do
			at++;
		while (at < end && (*at & 0xc0) == 0x80);
	return at && at < end && *at == '\t';
}

/* For text that cannot be decoded libyaml has no mark, but an offset. */
static yaml_mark_t undecoded(const yaml_parser_t *p)
{
	const unsigned char *at = p->input.string.start, *end = p->input.string.end;
	yaml_mark_t mark = {0};

	if (p->problem_offset < (size_t)(end - at))
		end = at + p->problem_offset;
	for (; at < end; at++) {
		mark.line += *at == '\n';
		mark.column = *at == '\n' ? 0 : mark.column + ((*at & 0xc0) != 0x80);
	}
	return mark;
}

static void broken(struct yaml *y)
{
	const yaml_parser_t *p = &y->parser;
	struct diag *to = diag_add(y->diags);
	bool alias = p->context && strstr(p->context, "alias");
	bool encoding = p->error == YAML_READER_ERROR;
	const yaml_mark_t mark = encoding ? undecoded(p)
				 : alias  ? p->context_mark
					  : p->problem_mark;

	y->broken = true;
	y->have_ev = false;
	y->diags->n_errors++;
	if (!to)
		return;
	to->line = (unsigned)mark.line + 1;
	to->col = (unsigned)mark.column + 1;
	snprintf(to->msg, sizeof(to->msg), "this is not YAML: %s%s%s", p->context ? p->context : "",
		 p->context ? ": " : "", p->problem ? p->problem : "unreadable");
	if (p->context && p->context_mark.line < mark.line)
		snprintf(to->msg + strlen(to->msg), sizeof(to->msg) - strlen(to->msg),
			 "; it began in line %zu", p->context_mark.line + 1);
	snprintf(to->hint, sizeof(to->hint), "%s",
		 encoding    ? "a policy is text in UTF-8"
		 : alias     ? "a name that begins with '*' must be quoted: \"*.example.com\""
		 : at_tab(p) ? "YAML is indented with spaces, never with tabs"
			     : "check the indentation, and quote text with special characters");
}

/* Aliases, anchors and tags are errors. After an alias the handler's own error is dropped. */
static void refuse_extras(struct yaml *y)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	y->refused = false;
	if (y->ev.type == YAML_ALIAS_EVENT) {
		yaml_error(y, 0, "a name that begins with '*' must be quoted: \"*.example.com\"",
			   "YAML aliases are not used in policies");
		y->refused = true;
	} else if (y->ev.type == YAML_SCALAR_EVENT) {
		anchor = y->ev.data.scalar.anchor;
		tag = y->ev.data.scalar.tag;
	} else if (y->ev.type == YAML_SEQUENCE_START_EVENT) {
		anchor = y->ev.data.sequence_start.anchor;
		tag = y->ev.data.sequence_start.tag;
	} else if (y->ev.type == YAML_MAPPING_START_EVENT) {
		anchor = y->ev.data.mapping_start.anchor;
		tag = y->ev.data.mapping_start.tag;
	}
	if (anchor)
		yaml_error(y, 0, "write the value where it is needed",
			   "YAML anchors are not used in policies");
	if (tag)
		yaml_error(y, 0, "leave it out", "YAML tags are not used in policies");
}

void yaml_next(struct yaml *y)
{
	if (y->broken)
		return;
	if (y->have_ev)
		yaml_event_delete(&y->ev);
	y->have_ev = yaml_parser_parse(&y->parser, &y->ev);
	if (!y->have_ev) {
		broken(y);
		return;
	}
	if (y->ev.type == YAML_NO_EVENT) { /* behind the end, however often it is asked for */
		yaml_error(y, 0, NULL, "the policy ends in the middle of something");
		y->broken = true;
		return;
	}
	refuse_extras(y);
	switch (y->ev.type) {
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (++y->depth > YAML_DEPTH_MAX) {
			yaml_error(y, 0, NULL, "nested too deep");
			y->broken = true;
		}
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		y->depth--;
		break;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	case YAML_ALIAS_EVENT:
	case YAML_SCALAR_EVENT:
		break;
	}
}

void yaml_skip(struct yaml *y)
{
	unsigned depth = y->depth;

	if (!yaml_is(y, YAML_SEQUENCE_START_EVENT) && !yaml_is(y, YAML_MAPPING_START_EVENT)) {
		yaml_next(y);
		return;
	}
	do
		yaml_next(y);
	while (!y->broken && y->depth >= depth);
	yaml_next(y);
}

const char *yaml_text(const struct yaml *y, size_t *ret_len)
{
	const char *s;

	if (!yaml_is(y, YAML_SCALAR_EVENT))
		return NULL;
	s = (const char *)y->ev.data.scalar.value;
	if (strlen(s) != y->ev.data.scalar.length)
		return NULL;
	if (ret_len)
		*ret_len = y->ev.data.scalar.length;
	return s;
}

/* ---- mappings and lists -------------------------------------------------- */

static void unknown_key(struct yaml *y, const char *what, const struct yaml_key *keys, size_t n,
			const char *name)
{
	struct nearest nearest = {.written = name};
	char hint[400] = "it takes: ", shown[100];

	for (size_t i = 0; i < n; i++)
		nearest_try(&nearest, keys[i].name);
	if (nearest.found)
		snprintf(hint, sizeof(hint), "did you mean '%s'?", nearest.found);
	else
		for (size_t i = 0; i < n; i++)
			snprintf(hint + strlen(hint), sizeof(hint) - strlen(hint), "%s%s",
				 i ? ", " : "", keys[i].name);
	yaml_error(y, 0, hint, "unknown key '%s' in %s",
		   str_escape(shown, sizeof(shown), name, strlen(name)), what);
}

void yaml_mapping(struct yaml *y, const char *what, const struct yaml_key *keys, size_t n,
		  void *arg)
{
	uint32_t seen = 0;

	if (!yaml_is(y, YAML_MAPPING_START_EVENT)) {
		yaml_error(y, 0, "write it as `key: value` lines", "%s must be a mapping", what);
		yaml_skip(y);
		return;
	}
	yaml_next(y);
	while (!y->broken && !yaml_is(y, YAML_MAPPING_END_EVENT)) {
		const char *name = yaml_text(y, NULL);
		size_t i = 0;

		while (name && i < n && strcmp(keys[i].name, name) != 0)
			i++;
		if (!name)
			yaml_error(y, 0, NULL, "a key must be plain text");
		else if (i == n)
			unknown_key(y, what, keys, n, name);
		else if (seen & 1u << i)
			yaml_error(y, 0, "merge the two", "key '%s' appears twice in %s", name,
				   what);
		yaml_skip(y);
		if (name && i < n && !(seen & 1u << i))
			keys[i].fn(y, arg);
		else
			yaml_skip(y);
		if (i < n)
			seen |= 1u << i;
	}
	yaml_next(y);
}

void yaml_list(struct yaml *y, const char *what, void (*fn)(struct yaml *y, void *arg), void *arg)
{
	if (!yaml_is(y, YAML_SEQUENCE_START_EVENT)) {
		yaml_error(y, 0, "write one `- item` a line, or [item, item]", "%s must be a list",
			   what);
		yaml_skip(y);
		return;
	}
	yaml_next(y);
	while (!y->broken && !yaml_is(y, YAML_SEQUENCE_END_EVENT))
		fn(y, arg);
	yaml_next(y);
}
