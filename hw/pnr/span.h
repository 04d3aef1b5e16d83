// A view of consecutive elements that something else owns (C++17 has no std::span).
#pragma once

#include <cstddef>

namespace pnr {

template <typename T>
class Span {
public:
    Span() = default;
    Span(const T* first, std::size_t count) : first_(first), count_(count) {}
    const T* begin() const { return first_; }
    const T* end() const { return first_ + count_; }
    std::size_t size() const { return count_; }
    bool empty() const { return count_ == 0; }
    const T& operator[](std::size_t n) const { return first_[n]; }

private:
    const T* first_ = nullptr;
    std::size_t count_ = 0;
};

}  // namespace pnr
