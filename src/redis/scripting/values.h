// Replies and Lua values, one made of the other (docs: Redis's "Lua type conversion").
#pragma once

#include "redis/scripting/lua.h"
#include "redis/wire/reply_writer.h"

namespace trv::redis {

// Pushes what a command answered. Requires: `reply` is one whole reply in RESP2 or RESP3.
void push_reply(lua_State* lua, ByteView reply);
// Pushes {err = text}. A text that does not begin with '-' and the error's kind is an ERR.
void push_error(lua_State* lua, ByteView text);
// Appends the value on top, which is popped, as the script's reply. `script` is the protocol that
// the script has chosen; the writer's is the client's. False when it is more than `size_max` bytes.
bool write_value(lua_State* lua, ReplyWriter& reply, Protocol script, std::size_t size_max);

}  // namespace trv::redis
