#include "demands.h"

#include <cstdlib>
#include <string>

namespace pnr {
namespace {

Demand read_demand(const std::string& line, const Device& device) {
    const std::size_t slash = line.find('/'), space = line.find(' ');
    if (slash == std::string::npos || space == std::string::npos || slash > space)
        throw Error('"' + line + "\" is no demand; TILE/WIRE NS fits");
    const NodeId node = device.find_node(line.substr(0, slash), line.substr(slash + 1, space - slash - 1));
    if (node == kNone) throw Error("there is no wire " + line.substr(0, space));
    char* end = nullptr;
    const float missing = std::strtof(line.c_str() + space, &end);
    if (*end || !(missing >= 0)) throw Error('"' + line + "\" does not end with a number of ns, 0 or more");
    return {node, missing};
}

}  // namespace

bool read_demands(std::istream& in, const Device& device, std::vector<Demand>& demands) {
    demands.clear();
    bool any = false;
    for (std::string line; std::getline(in, line); any = true) {
        if (line == "route") return true;
        demands.push_back(read_demand(line, device));
    }
    if (any) throw Error("the demands end without the line \"route\"");
    return false;
}

}  // namespace pnr
