/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of well-known programs. */
#ifndef AGENTFW_COMPANIONS_H
#define AGENTFW_COMPANIONS_H

enum part {
	PART_READ,
	PART_MAP, /* its own libraries: mapped, not run */
	PART_EXEC,
};

/* The parts of a well-known program that are there. program: a real path. */
void companions(const char *program, void (*fn)(const char *real, enum part part, void *arg),
		void *arg);

#endif
