// The first thing that went wrong in a run; later ones are mostly its consequences.
#pragma once
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <string>

class Violation {
public:
    bool any() const { return any_; }
    const char* text() const { return any_ ? text_.c_str() : nullptr; }

    void clear() { any_ = false; }

    __attribute__((format(printf, 3, 4))) void record(uint64_t cycle, const char* format, ...) {
        if (any_) return;
        char body[1024];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(body, sizeof body, format, arguments);
        va_end(arguments);
        text_ = "cycle " + std::to_string(cycle) + ": " + body;
        any_ = true;
    }

private:
    bool any_ = false;
    std::string text_;
};
