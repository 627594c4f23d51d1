/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and names of the escape fuzzer's programs, as the kernel takes them. */
#pragma once

#include "tests/lab/escape/escape.h"

#include <stddef.h>
#include <sys/socket.h>

/* Of escape_devices; set at the start. */
extern unsigned escape_device_index[ESCAPE_DEVICES];

/* own_port: where the worker's own ports begin. */
socklen_t escape_address(uint16_t own_port, const struct escape_to *to, bool v6,
			 struct sockaddr_storage *ret);
int escape_set_option(int fd, const struct escape_step *s);
int escape_random_option(int fd, const struct escape_step *s);
/* The step's control messages; returns how many bytes of the room they take. */
size_t escape_control(const struct escape_step *s, uint8_t *room, size_t bytes);
