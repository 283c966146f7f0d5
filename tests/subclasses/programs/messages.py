"""A processor of single records, as the short course has one: text in, a line of a file out.

Usage: messages.py CONFIG TOPIC GROUP FILE
"""

import sys

from openmsistream.kafka_wrapper.controlled_message_processor import ControlledMessageProcessor


class WritingMessageProcessor(ControlledMessageProcessor):
    def __init__(self, config_path, topic_name, target, **kwargs):
        super().__init__(config_path, topic_name, **kwargs)
        self.target = target

    def _process_message(self, lock, msg):
        with lock, open(self.target, "a") as target:
            target.write(f"{msg.key()}={msg.value()} at {msg.topic()}/{msg.partition()}/{msg.offset()}\n")
        return True

    def _on_check(self):
        self.logger.info("checked")

    @classmethod
    def run_from_command_line(cls, args=None):
        raise NotImplementedError


if __name__ == "__main__":
    processor = WritingMessageProcessor(sys.argv[1], sys.argv[2], sys.argv[4], consumer_group_id=sys.argv[3])
    print("READY", flush=True)
    processor.run()
    processor.close()
    print("RETURNED")
