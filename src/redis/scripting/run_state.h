// RunState: what the functions that scripts call find of their engine. The interpreter's allocator
// carries it, so it is there in coroutines, too.
//
// Owner: the ScriptEngine.
#pragma once

#include <cstdint>
#include <string>

#include "redis/scripting/engine.h"
#include "redis/scripting/lua.h"

namespace trv::redis {

struct RunState {
  std::size_t memory_size = 0;
  std::size_t memory_size_max = 0;
  ScriptHost* host = nullptr;  // null while no script runs
  Protocol protocol = Protocol::resp2;
  std::string stopped;  // why the running script must end
  unsigned short seed[3] = {0x330e, 0, 0};
  // References of tables in the registry.
  int globals = 0;      // what scripts see as globals; they see it through `facade`
  int facade = 0;       // an empty table that shows the globals and refuses changes
  int protections = 0;  // table that is shown -> the table behind it
  std::string reply;    // of the last command; the memory is kept
};

inline RunState& run_state(lua_State* lua) {
  void* state = nullptr;
  lua_getallocf(lua, &state);
  return *static_cast<RunState*>(state);
}

// Ends the script with an error when its host wants it to end. Called every so many instructions
// and by functions that take long in themselves.
void end_if_wanted(lua_State* lua);

}  // namespace trv::redis
