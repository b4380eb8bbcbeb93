"""What Kiln is measured against. No part of what is installed."""
