// Boost.JSON, compiled once: Debian's header package is enough to build with.
#include <boost/json/src.hpp>
