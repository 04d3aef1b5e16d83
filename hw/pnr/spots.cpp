#include "spots.h"

namespace pnr {

Spots::Spots(const Design& design, const Fabric& fabric)
    : design_(design), fabric_(fabric), contents_(fabric.slices().size()), spot_(design.atoms.size(), -1),
      macro_(design.macros.size(), -1) {}

bool Spots::fits(std::int32_t atom, std::int32_t spot) const {
    const Atom& about = design_.atoms[atom];
    const Content& content = contents_[spot >> 3];
    const int letter = (spot & 7) >> 1;
    const bool second = spot & 1;
    if (second && !about.single_ff) return false;
    if (about.needs_m && !fabric_.slices()[spot >> 3].memory) return false;
    const Letter* fixed = macro_letter(content, letter);
    if (fixed && fixed->memory != Memory::none) return false;
    if (!second && fixed && !fixed->empty()) return false;
    if (second) {
        const std::int32_t first = content.atoms[spot & 6];
        if (fixed && !fixed->empty()) {
            if (!first_allows_second(*fixed)) return false;
        } else if (first >= 0 && !design_.atoms[first].single_ff &&
                   !first_allows_second(design_.atoms[first].letter)) {
            return false;
        }
    } else if (const std::int32_t beside = content.atoms[(spot & 7) | 1]; beside >= 0) {
        if (!about.single_ff && !first_allows_second(about.letter)) return false;
    }
    return about.control < 0 || content.control < 0 || content.control == about.control;
}

void Spots::put(std::int32_t atom, std::int32_t spot) {
    Content& content = contents_[spot >> 3];
    content.atoms[spot & 7] = atom;
    spot_[atom] = spot;
    if (design_.atoms[atom].control < 0) return;
    content.control = design_.atoms[atom].control;
    ++content.controlled;
}

void Spots::take(std::int32_t atom) {
    Content& content = contents_[spot_[atom] >> 3];
    content.atoms[spot_[atom] & 7] = -1;
    if (design_.atoms[atom].control >= 0 && --content.controlled == 0) content.control = -1;
    spot_[atom] = -1;
}

bool Spots::needs_memory(std::int32_t slice) const {
    const Content& content = contents_[slice];
    if (content.macro >= 0 && design_.macros[content.macro].needs_m) return true;
    for (std::int32_t atom : content.atoms)
        if (atom >= 0 && design_.atoms[atom].needs_m) return true;
    return false;
}

bool Spots::content_fits(std::int32_t content_of, std::int32_t slice) const {
    return fabric_.slices()[slice].memory || !needs_memory(content_of);
}

void Spots::put_macro(std::int32_t macro, std::int32_t slice) {
    macro_[macro] = slice;
    for (std::size_t part = 0; part < design_.macros[macro].slices.size(); ++part) {
        Content& content = contents_[slice];
        content.macro = macro;
        content.part = static_cast<std::int32_t>(part);
        if (const std::int32_t control = design_.macros[macro].slices[part].control; control >= 0)
            content.control = control, ++content.controlled;
        slice = fabric_.slices()[slice].above;
    }
}

void Spots::permute(const std::vector<std::int32_t>& from, const std::vector<std::int32_t>& to) {
    std::vector<Content> moved;
    for (std::int32_t slice : from) moved.push_back(contents_[slice]);
    for (std::size_t n = 0; n < to.size(); ++n) {
        contents_[to[n]] = moved[n];
        for (int place = 0; place < 8; ++place)
            if (moved[n].atoms[place] >= 0) spot_[moved[n].atoms[place]] = 8 * to[n] + place;
        if (moved[n].macro >= 0 && moved[n].part == 0) macro_[moved[n].macro] = to[n];
    }
}

}  // namespace pnr
