// Included ahead of every file of the model: what the model prints goes to the simulator, not to the process's output.
#pragma once
#ifdef __cplusplus
extern "C"
#endif
    int bnn_sim_printf(const char* format, ...) __attribute__((format(printf, 1, 2)));
#define VL_PRINTF bnn_sim_printf
#define VL_USER_STOP
#define VL_USER_FINISH
#define VL_USER_FATAL
