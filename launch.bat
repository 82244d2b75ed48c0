@echo off
rem Starts the app; the first time it sets up .venv, which takes a few minutes.
setlocal
cd /d "%~dp0"
set "PYTHONUTF8=1"
set "OMP_NUM_THREADS=1"
set "PY=.venv\Scripts\python.exe"
set "READY=.venv\ready.txt"

rem Another requirements.txt than last time is installed anew.
fc /b "requirements.txt" "%READY%" >nul 2>&1 && goto start

set "NEW=py -3"
where py >nul 2>&1 || set "NEW=python"
%NEW% -c "import sys; sys.exit(sys.version_info < (3, 11))" >nul 2>&1
if errorlevel 1 (
    echo Python 3.11 or newer is needed: get it from python.org, then start this again.
    pause
    exit /b 1
)
if not exist "%PY%" %NEW% -m venv ".venv" || goto failed
echo Installing into .venv: a few minutes, once.
"%PY%" -m pip install --quiet --requirement "requirements.txt" --editable . || goto failed
copy /y "requirements.txt" "%READY%" >nul

:start
echo Close this window to end the app.
"%PY%" -m helpers app --browser || goto failed
exit /b 0

:failed
echo Something went wrong; the lines above say what.
pause
exit /b 1
