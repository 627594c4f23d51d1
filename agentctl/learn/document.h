/* SPDX-License-Identifier: GPL-2.0-or-later */
/* YAML as a tree of libyaml's. To be used in a child (policy/child). */
#ifndef AGENTFW_LEARN_DOCUMENT_H
#define AGENTFW_LEARN_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

/* One document and nothing else. The caller's: yaml_document_delete. */
bool doc_load(const char *text, size_t n, yaml_document_t *ret);
/* The text of a scalar that has no NUL in it; else NULL. n may be NULL. */
const char *doc_text(const yaml_node_t *n);
bool doc_is(const yaml_node_t *n, const char *text);
/* The pair of a key in a mapping; NULL: it is no mapping, or has none. */
yaml_node_pair_t *doc_pair(yaml_document_t *doc, int mapping, const char *key);
size_t doc_pairs(yaml_document_t *doc, int mapping);

/* What is made is 0 where there is no memory; the others fail then, too. */
int doc_scalar(yaml_document_t *doc, const char *text);
/* The value of a key, as a block; made as an empty one of that type where it is not there. */
int doc_value(yaml_document_t *doc, int mapping, const char *key, yaml_node_type_t type);
bool doc_put(yaml_document_t *doc, int mapping, const char *key, int value);

#endif
