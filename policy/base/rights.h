/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be done with a file, in the words of a profile. One set of bits for the lists of a
 * profile, what a box allows, and what was refused. */
#ifndef AGENTFW_BASE_RIGHTS_H
#define AGENTFW_BASE_RIGHTS_H

#include <stddef.h>
#include <stdint.h>

enum right {
	RIGHT_NONE = 0,
	RIGHT_READ = 1,
	RIGHT_WRITE = 2,
	RIGHT_EXEC = 4,
	/* a box refuses these; no profile gives them */
	RIGHT_SOCKET = 8,  /* an abstract unix socket outside */
	RIGHT_SIGNAL = 16, /* to a process outside */
	RIGHT_OTHER = 32,
};
#define RIGHTS_FILE 7u
#define RIGHTS_ALL  63u

#define RIGHTS_STRLEN 48 /* the longest text, its end included */

/* "read, write" into buf, which is returned; of no right "". */
const char *rights_words(uint32_t rights, char buf[RIGHTS_STRLEN]);

#endif
