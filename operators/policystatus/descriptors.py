"""Shapes as protobuf messages, the form in which the CEL library takes structured types.

Called by `checking`. Messages have numbers for names, because CEL's names of types (`Deployment.spec.@idx`) are none of
protobuf's; `names` tells which is which. What protobuf cannot say, a list of lists or a map of lists, keeps its outer
half and is dynamic inside.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from understudy.operators.policystatus.shapes import ListOf, MapOf, Shape, Struct

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool

PACKAGE = "understudy"
_KNOWN = {
    "dyn": ".google.protobuf.Value",
    "timestamp": ".google.protobuf.Timestamp",
    "duration": ".google.protobuf.Duration",
}
_LOOSE_LIST, _LOOSE_MAP = ".google.protobuf.ListValue", ".google.protobuf.Struct"


class Messages:
    """Collects messages; `pool` makes them usable, `names` are what to call them."""

    def __init__(self) -> None:
        from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

        self.names: dict[str, str] = {}
        self._field = FieldDescriptorProto
        self._file = FileDescriptorProto(name=f"{PACKAGE}.proto", package=PACKAGE, syntax="proto2")
        self._file.dependency.extend(f"google/protobuf/{each}.proto" for each in ("struct", "timestamp", "duration"))
        self._scalars: Mapping[str, Any] = {
            "int": self._field.TYPE_INT64,
            "double": self._field.TYPE_DOUBLE,
            "bool": self._field.TYPE_BOOL,
            "string": self._field.TYPE_STRING,
            "bytes": self._field.TYPE_BYTES,
        }

    def declare(self, shape: Struct) -> str:
        """The name of the message for `shape`."""
        number = len(self._file.message_type)
        name = f"T{number}"
        self.names[f"{PACKAGE}.{name}"] = shape.name
        self._file.message_type.add(name=name)
        for position, (field, value) in enumerate(shape.fields.items(), 1):
            # Declaring what is inside adds messages, which may move this one: it is looked up each time.
            made = self._field(name=field, number=position, label=self._field.LABEL_OPTIONAL)
            self._fill(self._file.message_type[number], made, value)
            self._file.message_type[number].field.append(made)
        return f"{PACKAGE}.{name}"

    def pool(self) -> "DescriptorPool":
        from google.protobuf import descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2

        pool = descriptor_pool.DescriptorPool()
        for each in (struct_pb2, timestamp_pb2, duration_pb2):
            pool.AddSerializedFile(each.DESCRIPTOR.serialized_pb)
        pool.AddSerializedFile(self._file.SerializeToString())
        return pool

    def _fill(self, message: "DescriptorProto", field: "FieldDescriptorProto", shape: Shape) -> None:
        """Give `field` of `message` the type for `shape`."""
        if isinstance(shape, ListOf):
            field.label = self._field.LABEL_REPEATED
            self._value(field, shape.of)
        elif isinstance(shape, MapOf):
            field.label, field.type = self._field.LABEL_REPEATED, self._field.TYPE_MESSAGE
            field.type_name = self._entry(message, field.name, shape.of)
        else:
            self._value(field, shape)

    def _value(self, field: "FieldDescriptorProto", shape: Shape) -> None:
        """The type of one value, which is no list and no map to protobuf."""
        if isinstance(shape, str) and shape in self._scalars:
            field.type = self._scalars[shape]
            return
        field.type = self._field.TYPE_MESSAGE
        if isinstance(shape, Struct):
            field.type_name = f".{self.declare(shape)}"
        elif isinstance(shape, ListOf):
            field.type_name = _LOOSE_LIST
        elif isinstance(shape, MapOf):
            field.type_name = _LOOSE_MAP
        else:
            field.type_name = _KNOWN[shape]

    def _entry(self, message: "DescriptorProto", field: str, of: Shape) -> str:
        """The message of a map's entries, called as protobuf demands."""
        name = "".join(part[:1].upper() + part[1:] for part in field.split("_")) + "Entry"
        value = self._field(name="value", number=2, label=self._field.LABEL_OPTIONAL)
        owner = message.name
        self._value(value, of)
        entry = message.nested_type.add(name=name)
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=self._field.LABEL_OPTIONAL, type=self._field.TYPE_STRING)
        entry.field.append(value)
        return f".{PACKAGE}.{owner}.{name}"
