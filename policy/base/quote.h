/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text as YAML writes it, for lines that a person pastes into a policy. */
#ifndef AGENTFW_QUOTE_H
#define AGENTFW_QUOTE_H

#include <stdbool.h>
#include <stddef.h>

/* s as one scalar in buf, quoted where plain text would be read as something else; flow: it stands
 * inside [] or {}. NULL: it has other characters than printable ASCII, or does not fit. */
const char *quote_scalar(const char *s, bool flow, char *buf, size_t bytes);

#endif
