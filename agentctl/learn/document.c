// SPDX-License-Identifier: GPL-2.0-or-later
#include "agentctl/learn/document.h"

#include <string.h>

bool doc_load(const char *text, size_t n, yaml_document_t *ret)
{
	yaml_document_t more;
	yaml_parser_t parser;
	bool good;

	if (!yaml_parser_initialize(&parser))
		return false;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
	good = yaml_parser_load(&parser, ret);
	if (good && yaml_parser_load(&parser, &more)) {
		good = !yaml_document_get_root_node(&more);
		yaml_document_delete(&more);
	} else if (good) {
		good = false;
	}
	if (!good && yaml_document_get_root_node(ret))
		yaml_document_delete(ret);
	yaml_parser_delete(&parser);
	return good;
}

const char *doc_text(const yaml_node_t *n)
{
	const char *s;

	if (!n || n->type != YAML_SCALAR_NODE)
		return NULL;
	s = (const char *)n->data.scalar.value;
	return strlen(s) == n->data.scalar.length ? s : NULL;
}

bool doc_is(const yaml_node_t *n, const char *text)
{
	const char *s = doc_text(n);

	return s && strcmp(s, text) == 0;
}

yaml_node_pair_t *doc_pair(yaml_document_t *doc, int mapping, const char *key)
{
	yaml_node_t *m = yaml_document_get_node(doc, mapping);

	if (!m || m->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = m->data.mapping.pairs.start; p < m->data.mapping.pairs.top; p++)
		if (doc_is(yaml_document_get_node(doc, p->key), key))
			return p;
	return NULL;
}

size_t doc_pairs(yaml_document_t *doc, int mapping)
{
	const yaml_node_t *m = yaml_document_get_node(doc, mapping);

	return m && m->type == YAML_MAPPING_NODE
		   ? (size_t)(m->data.mapping.pairs.top - m->data.mapping.pairs.start)
		   : 0;
}

int doc_scalar(yaml_document_t *doc, const char *text)
{
	return yaml_document_add_scalar(doc, NULL, (const yaml_char_t *)text, (int)strlen(text),
					YAML_ANY_SCALAR_STYLE);
}

bool doc_put(yaml_document_t *doc, int mapping, const char *key, int value)
{
	int k = value ? doc_scalar(doc, key) : 0;

	return k && yaml_document_append_mapping_pair(doc, mapping, k, value);
}

int doc_value(yaml_document_t *doc, int mapping, const char *key, yaml_node_type_t type)
{
	yaml_node_pair_t *p = doc_pair(doc, mapping, key);
	yaml_node_t *n = p ? yaml_document_get_node(doc, p->value) : NULL;
	int id;

	if (n && n->type == type) {
		if (type == YAML_SEQUENCE_NODE)
			n->data.sequence.style = YAML_BLOCK_SEQUENCE_STYLE;
		else
			n->data.mapping.style = YAML_BLOCK_MAPPING_STYLE;
		return p->value;
	}
	id = type == YAML_SEQUENCE_NODE
		 ? yaml_document_add_sequence(doc, NULL, YAML_BLOCK_SEQUENCE_STYLE)
		 : yaml_document_add_mapping(doc, NULL, YAML_BLOCK_MAPPING_STYLE);
	if (id && p) /* nothing at all behind the key */
		p->value = id;
	else if (!doc_put(doc, mapping, key, id))
		return 0;
	return id;
}
