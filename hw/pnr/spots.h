// What stands in which slice, and whether something else may.
#pragma once

#include <array>
#include <vector>

#include "fabric.h"
#include "pack.h"

namespace pnr {

struct Content {
    std::array<std::int32_t, 8> atoms;      // by spot; -1: none
    std::int32_t macro = -1, part = 0;      // the macro that has the slice, and which of its slices
    std::int32_t control = -1;              // of the flip-flops in it
    std::int32_t controlled = 0;            // how many atoms (and the macro) want that control
    Content() { atoms.fill(-1); }
};

class Spots {
public:
    Spots(const Design& design, const Fabric& fabric);

    const Content& content(std::int32_t slice) const { return contents_[slice]; }
    std::int32_t atom_at(std::int32_t spot) const { return contents_[spot >> 3].atoms[spot & 7]; }
    std::int32_t spot(std::int32_t atom) const { return spot_[atom]; }
    std::int32_t macro_slice(std::int32_t macro) const { return macro_[macro]; }

    // Whether `atom` may stand at the empty `spot` beside what is in the slice.
    bool fits(std::int32_t atom, std::int32_t spot) const;
    void put(std::int32_t atom, std::int32_t spot);
    void take(std::int32_t atom);
    // Whether a slice's content may be at another slice.
    bool content_fits(std::int32_t content_of, std::int32_t slice) const;
    bool needs_memory(std::int32_t slice) const;
    void put_macro(std::int32_t macro, std::int32_t slice);
    // Contents move from each slice of `from` to the one of `to` at the same place; both are the same set.
    void permute(const std::vector<std::int32_t>& from, const std::vector<std::int32_t>& to);

private:
    const Letter* macro_letter(const Content& content, int letter) const {
        return content.macro < 0 ? nullptr : &design_.macros[content.macro].slices[content.part].letters[letter];
    }
    bool first_allows_second(const Letter& letter) const {
        return letter.bypass < 0 && letter.ff5 < 0 && !(letter.ff >= 0 && letter.mux != Out::none);
    }

    const Design& design_;
    const Fabric& fabric_;
    std::vector<Content> contents_;
    std::vector<std::int32_t> spot_, macro_;
};

}  // namespace pnr
