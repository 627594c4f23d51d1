/* SPDX-License-Identifier: GPL-2.0-or-later */
/* YAML for the policy's parser: one event at a time, with its place, and a list of errors. Anchors,
 * aliases and tags are refused. */
#ifndef AGENTFW_POLICY_YAML_H
#define AGENTFW_POLICY_YAML_H

#include <yaml.h>

#include "policy/policy.h"

struct yaml {
	yaml_parser_t parser;
	yaml_event_t ev; /* the current one */
	bool have_ev;
	bool broken;  /* the text is no YAML from here on: yaml_is() is false, loops end */
	bool refused; /* the current event has its error already */
	unsigned depth;
	struct diags *diags;
};

#define YAML_DEPTH_MAX 16

int yaml_open(struct yaml *y, const char *text, size_t len, struct diags *d);
void yaml_close(struct yaml *y);
/* Moves to the next event. */
void yaml_next(struct yaml *y);
/* Moves behind the node that begins at the current event. */
void yaml_skip(struct yaml *y);
bool yaml_is(const struct yaml *y, yaml_event_type_t type);
/* The current scalar's text; its length is *ret_len where that is not NULL. NULL: not a scalar, or
 * one that holds NUL bytes. */
const char *yaml_text(const struct yaml *y, size_t *ret_len);
unsigned yaml_line(const struct yaml *y);
unsigned yaml_col(const struct yaml *y);
/* An error at the current event (col_offset bytes further right). hint may be NULL. */
void yaml_error(struct yaml *y, size_t col_offset, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same without a YAML event. */
void diags_add(struct diags *d, bool warning, unsigned line, unsigned col, const char *hint,
	       const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* One key of a mapping: the handler takes the value, which is the current event, whole. */
struct yaml_key {
	const char *name;
	void (*fn)(struct yaml *y, void *arg);
};
/* The current node as a mapping of these keys (at most 32); unknown and repeated ones are errors.
 * what names it in messages. */
void yaml_mapping(struct yaml *y, const char *what, const struct yaml_key *keys, size_t n,
		  void *arg);
/* Calls fn for every item of the current node, a list. */
void yaml_list(struct yaml *y, const char *what, void (*fn)(struct yaml *y, void *arg), void *arg);

#endif
