#include "redis/scripting/shebang.h"

#include <algorithm>
#include <array>

namespace trv::redis {

namespace {

Error refused(std::string_view why, ByteView what = {}) {
  return {Errc::invalid_argument, std::string(why) + std::string(what)};
}

// The part of `rest` before the separator, which is taken from it.
ByteView take_part(ByteView& rest, char separator) {
  std::size_t end = std::min(rest.find(separator), rest.size());
  ByteView part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

// What they allow is allowed here anyway: there is no memory limit of the data, nor a replica, nor
// a cluster.
constexpr std::array allowed_anyway = {"allow-oom", "allow-stale", "no-cluster",
                                       "allow-cross-slot-keys"};

}  // namespace

Result<Shebang> parse_shebang(ByteView source) {
  Shebang shebang;
  if (!source.starts_with("#!")) return shebang;
  shebang.size = source.find('\n');
  if (shebang.size == ByteView::npos) return refused("Invalid script shebang");
  ByteView rest = source.substr(0, shebang.size);
  ByteView engine = take_part(rest, ' ');
  if (engine != "#!lua") return refused("Unexpected engine in script shebang: ", engine);
  while (!rest.empty()) {
    ByteView option = take_part(rest, ' ');
    if (option.empty()) continue;
    if (!option.starts_with("flags=")) return refused("Unknown lua shebang option: ", option);
    option.remove_prefix(std::string_view("flags=").size());
    while (!option.empty()) {
      ByteView flag = take_part(option, ',');
      bool known =
          std::find(allowed_anyway.begin(), allowed_anyway.end(), flag) != allowed_anyway.end();
      if (flag == "no-writes") {
        shebang.read_only = true;
      } else if (!known) {
        return refused("Unexpected flag in script shebang: ", flag);
      }
    }
  }
  return shebang;
}

}  // namespace trv::redis
