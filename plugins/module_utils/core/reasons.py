# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why the gate decided as it did: stable codes for logs, Events and metrics, and one sentence each for people."""

from __future__ import annotations

DISABLED = "DISABLED"
OUTSIDE_WINDOW = "OUTSIDE_WINDOW"
FOREIGN_START = "FOREIGN_START"
FOREIGN_STOP = "FOREIGN_STOP"
FOREIGN_SCALE = "FOREIGN_SCALE"
TARGET_UNKNOWN = "TARGET_UNKNOWN"
BLIND = "BLIND"
BLIND_GRACE = "BLIND_GRACE"
BLIND_YIELD = "BLIND_YIELD"
DEMAND_UNKNOWN = "DEMAND_UNKNOWN"
NO_DEMAND = "NO_DEMAND"
IDLE = "IDLE"
MIN_RUN = "MIN_RUN"
GUARD_YIELD = "GUARD_YIELD"
NEVER_YIELDS = "NEVER_YIELDS"
LOADING = "LOADING"
RUNNING = "RUNNING"
DRAINING = "DRAINING"
NOT_FREED = "NOT_FREED"
COOL_DOWN = "COOL_DOWN"
CAPPED = "CAPPED"
CARD_BUSY = "CARD_BUSY"
CARD_NOT_FREED = "CARD_NOT_FREED"
NO_ROOM = "NO_ROOM"
ADMITTED = "ADMITTED"
POLICY_REFUSED = "POLICY_REFUSED"

SENTENCES = {
    DISABLED: "It is switched off in the plan, so it does not run.",
    OUTSIDE_WINDOW: "None of its windows is open, so it does not run.",
    FOREIGN_START: "Somebody else started it; the gate had not admitted it, so it goes back to 0.",
    FOREIGN_STOP: "Somebody else stopped it; the gate looks anew whether there is room for it.",
    FOREIGN_SCALE: "Somebody else gave it more replicas; it goes back to 1.",
    TARGET_UNKNOWN: "The API server does not say whether it runs, so it is left as it is and counted as running.",
    BLIND: "There is no trustworthy reading of its card, so it is not admitted.",
    BLIND_GRACE: "There is no trustworthy reading of its card; it stays for a short grace.",
    BLIND_YIELD: "There was no trustworthy reading of its card for longer than the grace, so it leaves.",
    DEMAND_UNKNOWN: "Its demand could not be read, so it is not admitted.",
    NO_DEMAND: "Nobody asks for it, so it is not admitted.",
    IDLE: "Nobody asked for it for longer than the idle grace, so it leaves.",
    MIN_RUN: "Nobody asks for it, but its minimum run is not over; it stays.",
    GUARD_YIELD: "Others need the card: what is left for it is below its guard level, so it leaves.",
    NEVER_YIELDS: "What is left for it is below its guard level, but the plan says that it never yields; it stays.",
    LOADING: "It is admitted and not yet ready.",
    RUNNING: "It is admitted, and the card has room for it.",
    DRAINING: "It is on its way out: its pods or its VRAM are still there.",
    NOT_FREED: "It was stopped, but its pods or its VRAM are still there; look at its pods, then at nvidia-smi.",
    COOL_DOWN: "It yielded a short while ago, so it waits.",
    CAPPED: "It changed as often as it may within one hour, so it waits.",
    CARD_BUSY: "Another tenant on its card is still loading, so it waits.",
    CARD_NOT_FREED: "Another tenant was stopped, but its pods are there or its VRAM did not come back, so it waits.",
    NO_ROOM: "With all others at their peaks there is not enough left for it, or for one that runs; it waits.",
    ADMITTED: "Its window is open and there is room with all others at their peaks, so it starts.",
    POLICY_REFUSED: "The present policy cannot be used, so nobody is admitted until it can; look at the gate's log.",
}
