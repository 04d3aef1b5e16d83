// Random numbers that are the same everywhere (the standard library's distributions are not).
#pragma once

#include <cstdint>

namespace pnr {

// xoshiro256**, by Blackman and Vigna.
class Random {
public:
    explicit Random(std::uint64_t seed) {
        for (std::uint64_t& word : state_) {  // splitmix64
            std::uint64_t z = (seed += 0x9e3779b97f4a7c15);
            z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
            z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
            word = z ^ (z >> 31);
        }
    }
    std::uint64_t next() {
        const std::uint64_t result = turn(state_[1] * 5, 7) * 9, shifted = state_[1] << 17;
        state_[2] ^= state_[0], state_[3] ^= state_[1], state_[1] ^= state_[2], state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = turn(state_[3], 45);
        return result;
    }
    std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>((next() >> 32) * limit >> 32); }
    int between(int low, int high) { return low + static_cast<int>(below(static_cast<std::uint32_t>(high - low + 1))); }
    double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }

private:
    static std::uint64_t turn(std::uint64_t x, int by) { return x << by | x >> (64 - by); }
    std::uint64_t state_[4];
};

}  // namespace pnr
