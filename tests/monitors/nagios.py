"""A real Nagios with one host and one service: the check as the package defines it."""

import re
import shutil
from pathlib import Path

MONITORING = Path(__file__).resolve().parents[2] / "packaging" / "monitoring"

MAIN = """
cfg_file={folder}/check.cfg
cfg_file={folder}/objects.cfg
log_file={folder}/nagios.log
object_cache_file={folder}/objects.cache
status_file={folder}/status.dat
state_retention_file={folder}/retention.dat
temp_file={folder}/temp
temp_path={folder}
check_result_path={folder}/results
query_socket={folder}/query.sock
command_file={folder}/commands
lock_file={folder}/nagios.lock
nagios_user=nagios
nagios_group=nagios
status_update_interval=1
interval_length=1
use_syslog=0
check_external_commands=0
enable_notifications=0
illegal_macro_output_chars=`~$&|'"<>
"""

OBJECTS = """
define timeperiod {{
    timeperiod_name always
    alias           always
    sunday          00:00-24:00
    monday          00:00-24:00
    tuesday         00:00-24:00
    wednesday       00:00-24:00
    thursday        00:00-24:00
    friday          00:00-24:00
    saturday        00:00-24:00
}}
define command {{
    command_name alive
    command_line /bin/true
}}
define contact {{
    contact_name                  nobody
    host_notifications_enabled    0
    service_notifications_enabled 0
    host_notification_period      always
    service_notification_period   always
    host_notification_commands    alive
    service_notification_commands alive
}}
define host {{
    contacts           nobody
    host_name          controller
    address            127.0.0.1
    check_command      alive
    check_period       always
    max_check_attempts 1
}}
define service {{
    contacts            nobody
    host_name           controller
    service_description entitlement
    check_command       check_entitled
    check_period        always
    check_interval      2
    retry_interval      1
    max_check_attempts  1
}}
"""


class Nagios:
    def __init__(self, folder, entitlectl, started, until):
        self.until = until
        self.folder = folder / "nagios"
        (self.folder / "results").mkdir(parents=True)
        check = (MONITORING / "entitled.nagios.cfg").read_text()
        # Not installed, and maybe built where another user may not look; and its socket is of this test.
        entitlectl = shutil.copy(entitlectl, self.folder / "entitlectl")
        there = f"/usr/bin/env ENTITLED_SOCKET={folder}/run/entitled.sock {entitlectl}"
        (self.folder / "check.cfg").write_text(check.replace("/usr/bin/entitlectl", there))
        (self.folder / "objects.cfg").write_text(OBJECTS.format())
        main = self.folder / "nagios.cfg"
        main.write_text(MAIN.format(folder=self.folder))
        for path in (self.folder, self.folder / "results"):
            path.chmod(0o777)
        self.started = started(self.folder, "daemon", ["/usr/sbin/nagios4", main])

    def __enter__(self):
        self.started.__enter__()
        return self

    def __exit__(self, *error):
        self.started.__exit__(*error)

    def result(self, state):
        """The line of the check, once it has that state: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN."""

        def found():
            path = self.folder / "status.dat"
            text = path.read_text() if path.exists() else ""
            service = re.search(r"servicestatus \{(.*?)\n\t\}", text, re.S)
            if not service:
                return None
            values = dict(re.findall(r"^\t(\w+)=(.*)$", service.group(1), re.M))
            if values["has_been_checked"] == "1" and values["current_state"] == str(state):
                return values["plugin_output"] + " | " + values["performance_data"]
            return None

        return self.until(f"state {state} in {self.folder}/status.dat", found)
