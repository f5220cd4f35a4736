/* SPDX-License-Identifier: Apache-2.0 */
/* Force-included into every file (-include): calls that have no right use here. tools/lint/banned.py has the
 * rest. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang refuses to poison what its headers made a macro; gcc builds every file too. */
#ifndef __clang__
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok atoi atol atoll mktemp tmpnam
#endif
