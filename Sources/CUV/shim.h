#pragma once
#include <uv.h>

/// Has the loop count the time that it waits. Swift cannot call uv_loop_configure, which is variadic.
static inline int cuv_count_waiting(uv_loop_t *loop) { return uv_loop_configure(loop, UV_METRICS_IDLE_TIME); }
