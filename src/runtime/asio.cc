// The one place where Boost.Asio's non-template parts are compiled.
#include <boost/asio/impl/src.hpp>
