// The address space: regions of the caller's own memory, read and written in place.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

class Memory {
public:
    // False when the region is misaligned, leaves the 32-bit space or overlaps another.
    bool add(uint32_t base, void* data, uint64_t size, bool readable, bool writable);
    void clear() { regions_.clear(); }

    // Where `bytes` bytes at `address` lie, or null unless one region with the permission holds them all.
    uint8_t* find(uint32_t address, uint64_t bytes, bool for_write) const;

private:
    struct Region {
        uint64_t base, size;
        uint8_t* data;
        bool readable, writable;
    };
    std::vector<Region> regions_;
};
