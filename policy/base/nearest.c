// SPDX-License-Identifier: GPL-2.0-or-later
#include "policy/base/nearest.h"

#include <string.h>

#define LETTERS_MAX 40
#define FAR         99

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	a = a < b ? a : b;
	return a < c ? a : c;
}

/* How many letters must be added, removed, changed, or swapped with their neighbour. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][LETTERS_MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2];
	size_t n = strlen(b);

	if (strlen(a) > LETTERS_MAX || n > LETTERS_MAX)
		return FAR;
	for (unsigned j = 0; j <= n; j++)
		last[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned *unused = before;

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			row[j] = least(last[j] + 1, row[j - 1] + 1,
				       last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1, FAR);
		}
		before = last;
		last = row;
		row = unused;
	}
	return last[n];
}

void nearest_try(struct nearest *n, const char *word)
{
	size_t length = strlen(n->written), other = strlen(word);
	unsigned d = distance(n->written, word);

	if (length >= 3 && strncmp(n->written, word, length) == 0)
		d = d < 2 ? d : 2;
	else if (d > (length > 4 && other > 4 ? 2 : 1) || d >= length)
		return;
	if (!n->found || d < n->distance) {
		n->found = word;
		n->distance = d;
	}
}
