#include "memory.h"

bool Memory::add(uint32_t base, void* data, uint64_t size, bool readable, bool writable) {
    const uint64_t end = base + size;
    if (base % 8 || !data || !size || end < size || end > (uint64_t{1} << 32)) return false;
    for (const Region& other : regions_)
        if (base < other.base + other.size && other.base < end) return false;
    regions_.push_back({base, size, static_cast<uint8_t*>(data), readable, writable});
    return true;
}

uint8_t* Memory::find(uint32_t address, uint64_t bytes, bool for_write) const {
    for (const Region& region : regions_) {
        if (address < region.base || address + bytes > region.base + region.size) continue;
        if (!(for_write ? region.writable : region.readable)) return nullptr;
        return region.data + (address - region.base);
    }
    return nullptr;
}
