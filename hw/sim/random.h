// A small random generator (splitmix64): the same seed gives the same run on every machine.
#pragma once
#include <cstdint>

class Random {
public:
    explicit Random(uint64_t seed) : state_(seed) {}

    uint64_t next() {
        uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }

    bool chance(double probability) { return (next() >> 11) * 0x1p-53 < probability; }

    // A whole number from 0 to `top`, both included.
    uint32_t upto(uint32_t top) { return static_cast<uint32_t>(next() % (uint64_t{top} + 1)); }

private:
    uint64_t state_;
};
