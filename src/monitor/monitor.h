/* SPDX-License-Identifier: Apache-2.0 */
/* The whole of hoy-monitor: expects the control socket as WIRE_CONTROL_FD. Returns the process's exit code. */
#pragma once

int monitor_main(void);
